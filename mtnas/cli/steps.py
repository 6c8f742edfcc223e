"""What the commands do. Only here, and only inside functions, torch and optuna are imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtnas.cli.options import parse_budgets
from mtnas.errors import RunError

if TYPE_CHECKING:
    from mtnas.results import Results
    from mtnas.runs import Run
    from mtnas.space.file import SpaceFile


def open_space(run: Run, space: Path | None) -> SpaceFile:
    """The named space file, or the one that the run was started with."""
    from mtnas.space.file import load_space_file

    return load_space_file(space if space is not None else run.find_space_file())


def existing_run(path: Path) -> Run:
    """The run of a directory that must be one."""
    from mtnas.runs import Run

    if not (path / "manifest.json").exists():
        raise RunError(f"there is no run in {path}; start one with: mtnas run SPACE --run {path}")
    return Run(path)


def train_step(run: Run, file: SpaceFile, data_dir: Path | None, epochs: int | None) -> None:
    """Train the supernetwork, or go on with it."""
    from mtnas.training import TrainingSettings, train

    settings = file.setting("training", TrainingSettings())
    if epochs is not None:
        settings = replace(settings, epochs=epochs)
    data = file.data(data_dir)
    with run.hold():
        train(file.space, data, run, settings)
        run.keep_space_file(file.path)
        remember_data_dir(run, data_dir)


def search_step(
    run: Run,
    file: SpaceFile,
    data_dir: Path | None,
    evaluations: int | None,
    budgets: Sequence[str] | None,
    objectives: Sequence[str] | None,
    *,
    keep: bool,
) -> Results:
    """Search, or go on searching.

    Args:
        keep: whether what is not given stays as the run has it, rather than as the space file says.
    """
    from mtnas.searching import SearchSettings, search

    settings = file.setting("searching", SearchSettings())
    known = run.manifest.read()
    if keep and "study" in known:
        settings = replace(settings, objectives=known["search"]["objectives"], budgets=known["study"]["budgets"])
    if evaluations is not None:
        settings = replace(settings, evaluations=evaluations)
    if budgets:
        settings = replace(settings, budgets=parse_budgets(budgets))
    if objectives:
        settings = replace(settings, objectives=objectives)
    return search(file.space, file.data(data_dir), run, settings)


def plot_step(run: Run, results: Results) -> list[Path]:
    """Draw front.png and trees.png into the run directory."""
    from mtnas.plotting import draw_front, draw_trees, save_figure

    paths = [run.path / "front.png", run.path / "trees.png"]
    save_figure(draw_front(results), paths[0])
    save_figure(draw_trees(results), paths[1])
    return paths


def remember_data_dir(run: Run, data_dir: Path | None) -> None:
    """Note where the data was, so that later steps find it without being told."""
    if data_dir is not None:
        run.manifest.write("data_dir", {"path": str(data_dir.resolve())})


def recall_data_dir(run: Run, data_dir: Path | None) -> Path | None:
    """The given folder, or the one that the run used before."""
    known = run.manifest.read().get("data_dir")
    return data_dir if data_dir is not None or known is None else Path(known["path"])
