"""One data set: its space, a part of its data, and how everything on it is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset, Subset

from benchmarks.realdata.choosing import Rule
from benchmarks.realdata.lengths import Lengths
from mtnas.refining import RefineSettings
from mtnas.searching import SearchSettings
from mtnas.space.data import Data
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.training import TrainingSettings

SPACES = Path(__file__).parents[2] / "search_spaces"


@dataclass(frozen=True)
class Case:
    """A space, its data, and how much to do.

    Attributes:
        name: of the space file.
        widened: the space with all widths multiplied by a factor.
        data: with as many samples as asked for.
        rule: chooses the front member.
        training: of the supernetwork.
        searching: without budgets, which follow from the rule.
        alone: of networks from scratch. The epoch of lowest mean validation error is kept, and none is left out.
        fine_tuning: of the front member from inherited weights.
        narrower: factors of the widths at which hard sharing is trained, too.
    """

    name: str
    widened: Callable[[float], SearchSpace]
    data: Data
    rule: Rule
    training: TrainingSettings
    searching: SearchSettings
    alone: RefineSettings
    fine_tuning: RefineSettings
    narrower: tuple[float, ...] = ()

    @classmethod
    def of(cls, name: str, data_dir: Path | None, rule: Rule, lengths: Lengths) -> Case:
        """Of a space file that is shipped, with its settings but for the lengths, on one thread.

        Raises:
            DataError: if its data is not there.
        """
        file = load_space_file(SPACES / f"{name}.py")
        here: dict[str, Any] = {"threads": 1, "device": "cpu"}
        training = replace(file.setting("training", TrainingSettings()), epochs=lengths.supernet_epochs, **here)
        searching = replace(file.setting("searching", SearchSettings()), evaluations=lengths.evaluations, **here)
        refining = file.setting("refining", RefineSettings())
        alone, tuning = (
            replace(refining, epochs=epochs, patience=epochs, from_scratch=from_scratch, **here)
            for epochs, from_scratch in ((lengths.alone_epochs, True), (lengths.fine_tuning_epochs, False))
        )
        return cls(
            name,
            file.widening(),
            some(file.data(data_dir), lengths.train_samples, lengths.held_samples),
            rule,
            training,
            searching,
            alone,
            tuning,
        )


def some(data: Data, train: int, held: int) -> Data:
    """The first samples of every split; the space files shuffle, so that these are as good as any."""
    return replace(
        data,
        train=_first(data.train, train),
        valid=_first(data.valid, held),
        test=None if data.test is None else _first(data.test, held),
    )


def _first(split: Dataset[Any] | DataLoader[Any], count: int) -> Dataset[Any]:
    """At most as many samples; the split itself, where it has no more."""
    dataset = split.dataset if isinstance(split, DataLoader) else split
    size = len(dataset)  # type: ignore[arg-type]
    return dataset if size <= count else Subset(dataset, range(count))
