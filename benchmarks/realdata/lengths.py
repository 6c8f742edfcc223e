"""How long everything is trained and searched, and the command line's options for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

DATA = ("multifashion", "mnist_fashion", "fashion_scene", "census")
"""Space files that are tried."""


@dataclass(frozen=True)
class Lengths:
    """How much is done on one data set.

    Attributes:
        train_samples: most training samples; a fifth of them trains the branch points only.
        held_samples: most validation and most test samples.
        supernet_epochs: of the supernetwork.
        evaluations: candidates that the search judges.
        alone_epochs: of every network that is trained from scratch.
        fine_tuning_epochs: of networks that go on from inherited weights.
    """

    train_samples: int
    held_samples: int
    supernet_epochs: int
    evaluations: int
    alone_epochs: int
    fine_tuning_epochs: int


OVERLAYS = Lengths(24_000, 5_000, supernet_epochs=10, evaluations=120, alone_epochs=8, fine_tuning_epochs=4)
"""Of two images on one canvas: 16 to 18 minutes a seed on one core, most of them in the trainings from scratch."""

SCENES = Lengths(10_000, 2_000, supernet_epochs=16, evaluations=120, alone_epochs=16, fine_tuning_epochs=8)
"""Of tasks that look at every pixel: all of its smaller data, twice as often."""

CENSUS = Lengths(80_000, 10_000, supernet_epochs=10, evaluations=100, alone_epochs=10, fine_tuning_epochs=4)
"""Of Census-Income: all rows of a file, 3 to 4 minutes a seed."""

QUICK = Lengths(300, 200, supernet_epochs=2, evaluations=12, alone_epochs=1, fine_tuning_epochs=1)
"""Of all data with ``--quick``: enough for every part to run."""


@dataclass(frozen=True)
class Asked:
    """What the command line asks for beyond the options of all benchmarks.

    Attributes:
        only: names of data sets.
        changed: lengths that replace those of every data set.
    """

    only: Sequence[str]
    changed: dict[str, int]

    def lengths(self, usual: Lengths) -> Lengths:
        """The usual lengths of a data set, but for those that were asked for."""
        return replace(usual, **self.changed)


def add_own(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's own options."""
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA), help="data sets to try")
    for name in _names():
        usual = (OVERLAYS, "overlays"), (SCENES, "scenes"), (CENSUS, "Census")
        told = "of every data set; " + ", ".join(f"{getattr(one, name):,} on {where}" for one, where in usual)
        parser.add_argument(f"--{name.replace('_', '-')}", type=_positive, help=told)


def asked_of(given: argparse.Namespace) -> Asked:
    """What these options ask for."""
    values = {name: getattr(given, name) for name in _names()}
    return Asked(given.only, {name: value for name, value in values.items() if value is not None})


def _names() -> list[str]:
    """Names of all lengths."""
    return [field.name for field in fields(Lengths)]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {value}")
    return value
