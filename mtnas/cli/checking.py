"""A space file, its data and its settings tried together, without training."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtnas.errors import DataError, MtnasError

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from mtnas.searching import SearchSettings
    from mtnas.space.data import Batch, Data
    from mtnas.space.dry_run import DryRun
    from mtnas.space.file import SpaceFile
    from mtnas.space.search_space import SearchSpace
    from mtnas.training import TrainingSettings


@dataclass(frozen=True)
class CheckedSpace:
    """What `check_file` found.

    Attributes:
        file: the space file.
        data: its data.
        found: shapes and costs.
        samples: number of samples by split; None of what has no length.
        batches: of an epoch; None if it has no length.
        training: its settings.
        searching: its settings.
        objectives: of the search.
        remarks: what fits, but will train badly.
    """

    file: SpaceFile
    data: Data
    found: DryRun
    samples: Mapping[str, int | None]
    batches: int | None
    training: TrainingSettings
    searching: SearchSettings
    objectives: tuple[str, ...]
    remarks: tuple[str, ...]


def check_file(path: Path, data_dir: Path | None) -> CheckedSpace:
    """See that a space file, its data and its settings fit together. Nothing is trained or written.

    Raises:
        MtnasError: with the first thing that does not fit.
    """
    from mtnas.onnx_graphs import without_form
    from mtnas.refining import RefineSettings
    from mtnas.searching import SearchSettings, check_files, default_objectives, searched_space
    from mtnas.space.check import check, check_judged
    from mtnas.space.file import load_space_file
    from mtnas.space.remarks import remarks
    from mtnas.training import TrainingSettings, check_machine

    file = load_space_file(path)
    training = file.setting("training", TrainingSettings())
    searching = file.setting("searching", SearchSettings())
    file.setting("refining", RefineSettings())
    check_machine(training)
    data = file.data(data_dir)
    _check_splits(file.space, data)
    found, (example, _) = check(file.space, data), data.example()
    check_judged(file.space, data)
    searched_space(searching, file.space, found, example)
    check_files(searching, file.space, found, example)
    objectives = tuple(searching.objectives) or default_objectives(file.space.architectures.tasks, searching)
    loaders = _loaders(data)
    samples = {split: _length(loader.dataset) for split, loader in loaders.items()}
    batches = _length(loaders["train"])
    told = (
        *remarks(file.space, data, found),
        *remarks_on_length(training, file.space, batches),
        *(f"{text}; networks with it cannot be exported" for text in without_form(file.space, found, example)),
    )
    return CheckedSpace(file, data, found, samples, batches, training, searching, objectives, told)


def remarks_on_length(training: TrainingSettings, space: SearchSpace, batches: int | None) -> list[str]:
    """Sentences on a training that is too short.

    Args:
        training: its settings.
        space: that is trained.
        batches: of an epoch; None if that is not known.
    """
    return [*remarks_on_phases(training, space), *remarks_on_steps(training, batches)]


def remarks_on_phases(training: TrainingSettings, space: SearchSpace) -> list[str]:
    """A sentence on a training of which the parting of the tasks leaves no epoch for trees of all kinds."""
    from mtnas.training.phases import Phases

    phases = Phases.of(training, space.architectures)
    if not phases.shared < phases.parted == phases.epochs:
        return []
    lost = ", after which the weights are put back" if phases.shared else ""
    return [
        f"of the training's epochs, {phases.epochs:,} in all, none is left for trees of all kinds: {phases.shared:,}"
        f" share all, and in {phases.parted - phases.shared:,} all tasks part{lost}; raise"
        " TrainingSettings(epochs=), or set parting=0"
    ]


def remarks_on_steps(training: TrainingSettings, batches: int | None, *, least: int = 500) -> list[str]:
    """A sentence on a training that is too short to say anything; none if its length is not known.

    Args:
        training: its settings.
        batches: of an epoch.
        least: steps below which it is remarked on.
    """
    if batches is None:
        return []
    steps = training.epochs * math.ceil(batches / training.accumulate)
    if steps >= least:
        return []
    lower = "Data(batch_size=)" if training.accumulate == 1 else "accumulate="
    return [
        f"the training has {steps:,} steps in all, few for a network that holds all others: raise"
        f" TrainingSettings(epochs=), or lower {lower}"
    ]


def length_of_epoch(data: Data) -> int | None:
    """Batches of an epoch; None if that is not known."""
    return _length(data.train_batches(0))


def _loaders(data: Data) -> dict[str, DataLoader[Batch]]:
    """The batches of every split."""
    test = {"test": data.test_batches()} if data.has_test else {}
    return {
        "train": data.train_batches(0),
        "branch": data.branch_batches(0),
        "valid": data.valid_batches(),
        **test,
    }


def _check_splits(space: SearchSpace, data: Data) -> None:
    """Raise DataError unless a few samples of every split can be read, alike, with the labels of all tasks.

    A search would come to the test split only after everything else.
    """
    from mtnas.space.shapes import input_shape

    expected = None
    for split in ("valid", "train", "branch", *(["test"] if data.has_test else [])):
        try:
            x, labels = _few(data, split)
            for task in space.tasks:
                task.label_of(labels)
            shape = input_shape(x)
        except Exception as error:  # whatever a data set of the user raises
            told = str(error) if isinstance(error, MtnasError) else traceback.format_exception_only(error)[-1].strip()
            raise DataError(f"the {split} data: {told}; --verbose shows where it was raised") from error
        if expected not in (None, shape):
            raise DataError(f"the {split} data has inputs of shape {shape}, but the valid data of {expected}")
        expected = shape


def _few(data: Data, split: str) -> Batch:
    """A few samples of a split."""
    if split == "valid":
        return data.example()  # which sees whether they have the form that they should have
    for batch in data.some_batches(split, 2):
        return batch
    raise DataError("it is empty; give it at least one sample")


def _length(source: object) -> int | None:
    """Number of its samples or batches; None if it does not know."""
    try:
        return len(source)  # type: ignore[arg-type]
    except TypeError:
        return None
