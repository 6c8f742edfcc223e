"""Pictures and tables of runs, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtnas.atomic import write_text
from mtnas.cli.steps.work import existing_run
from mtnas.errors import RunError

if TYPE_CHECKING:
    from mtnas.results import Results, Row
    from mtnas.runs import Run

DPI = 100
"""Dots per inch of pictures."""


def plot_step(run: Run, results: Results, dpi: int, folder: Path | None = None) -> list[Path]:
    """Draw front.png and trees.png into the run directory, and predictors.png if the search had predictors.

    Args:
        dpi: dots per inch.
        folder: where they are drawn instead; what a user has there is not overwritten.
    """
    from mtnas.plotting import draw_front, draw_predictors, draw_trees, save_figure
    from mtnas.plotting.save import FORMATS
    from mtnas.runs import read_predictors

    if folder is not None and folder.suffix.lower() in FORMATS:
        raise RunError(
            f"--out {folder} names one picture, as of the fronts of several runs; of one run there are several, so name"
            " a folder for them"
        )
    figures = {"front.png": draw_front(results), "trees.png": draw_trees(results)}
    reports = read_predictors(run)
    if any(report.figures for report in reports):
        figures["predictors.png"] = draw_predictors(reports)
    paths = {name: (folder or run.path) / name for name in figures}
    if folder is not None:
        for path in paths.values():
            new_file(path)
    for name, figure in figures.items():
        save_figure(figure, paths[name], dpi=dpi)
    return list(paths.values())


def fronts_step(paths: Sequence[Path], out: Path | None, dpi: int) -> Path:
    """Draw the fronts of several runs over two costs that all have: mean error and params, or their first ones."""
    from matplotlib.figure import Figure

    from mtnas.plotting import plot_fronts, save_figure
    from mtnas.results import MEAN_ERROR
    from mtnas.runs import read_results

    if out is None:
        raise RunError("the fronts of several runs need a file of their own; name one: --out fronts.pdf")
    new_file(out)
    found = {str(path): read_results(existing_run(path)) for path in paths}
    known = [set(results.rows[0].costs) for results in found.values() if results.rows]
    if not known:
        raise RunError(f"none of the runs {', '.join(found)} has measured rows yet; search first")
    common = [name for name in (MEAN_ERROR, "params", *sorted(set.union(*known))) if all(name in one for one in known)]
    if len(dict.fromkeys(common)) < 2:
        raise RunError(f"the runs {', '.join(found)} have no two costs in common, so that no picture holds them all")
    y, x = list(dict.fromkeys(common))[:2]
    figure = plot_fronts(found, x=x, y=y).figure
    assert isinstance(figure, Figure)  # one of its own, in which there are no others
    save_figure(figure, out, dpi=dpi)
    return out


def new_file(path: Path) -> None:
    """Raise RunError if a file that a user named is there already."""
    if path.exists():
        raise RunError(f"{path} is there already and is not overwritten; delete it, or name another file")


def show_files_step(results: Results, row: Row | None, out: Path | None, dot: Path | None) -> list[Path]:
    """Write the rows as a table and the tree of one of them for Graphviz, each if its file is named."""
    from mtnas.architecture import to_dot
    from mtnas.results.table import check_table_file, write_table

    if out is not None:
        check_table_file(out)
    if dot is not None and dot.suffix.lower() not in (".dot", ".gv"):
        raise RunError(f"a tree for Graphviz is a file that ends in .dot or .gv, but got {dot}; choose one of these")
    written = [path for path in (out, dot) if path is not None]
    for path in written:
        new_file(path)
    if out is not None:
        write_table(results.to_frame(), out)
    if row is not None and dot is not None:
        write_text(dot, to_dot(results.space, row.candidate.architecture, row.candidate.policy))
    return written
