"""What the commands do. Only here, and only inside functions, torch and optuna are imported."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtnas.atomic import write_bytes, write_text
from mtnas.cli.options import parse_budgets
from mtnas.cli.output import remark, volume
from mtnas.errors import MtnasError, RunError
from mtnas.progress import progress

if TYPE_CHECKING:
    from mtnas.architecture import Bits, Candidate
    from mtnas.branching import Advice, Branching
    from mtnas.exporting import Bundle
    from mtnas.pools import Pool
    from mtnas.refining import RefineSettings
    from mtnas.refining.rows import RefinedRow
    from mtnas.results import Results, Row
    from mtnas.runs import Run
    from mtnas.searching import SearchSettings, StopRule
    from mtnas.space.data import Data
    from mtnas.space.dry_run import DryRun
    from mtnas.space.file import SpaceFile
    from mtnas.targets import Latency, Target
    from mtnas.training import TrainingSettings


@dataclass(frozen=True)
class Work:
    """A run directory, the space file that it works on, and its data."""

    run: Run
    file: SpaceFile
    data: Data
    data_dir: Path | None

    @classmethod
    def new(cls, run: Path, space: Path, data_dir: Path | None, seed: int | None) -> Work:
        """Of a command that names its space file and may start a run."""
        from mtnas.runs import Run
        from mtnas.space.file import load_space_file

        return cls._of(Run(run, seed), load_space_file(space), data_dir)

    @classmethod
    def existing(cls, run: Path, space: Path | None, data_dir: Path | None) -> Work:
        """Of a command that goes on with a run, with the space file that this was started with unless one is named."""
        from mtnas.space.file import load_space_file

        handle = existing_run(run)
        return cls._of(handle, load_space_file(space if space is not None else handle.find_space_file()), data_dir)

    @classmethod
    def _of(cls, run: Run, file: SpaceFile, data_dir: Path | None) -> Work:
        if data_dir is None:
            data_dir = _noted_data_dir(run)
        return cls(run, file, file.data(data_dir), data_dir)

    def training(self, epochs: int | None, device: str | None = None, *, tensorboard: bool = False) -> TrainingSettings:
        """The space file's training settings, with what the command line changes.

        Raises:
            TrainingError: if this machine lacks what they ask for.
        """
        from mtnas.training import TrainingSettings, check_machine

        settings = self.file.setting("training", TrainingSettings())
        if epochs is not None:
            settings = replace(settings, epochs=epochs)
        if device is not None:
            settings = replace(settings, device=device)
        if tensorboard:
            settings = replace(settings, tensorboard=True)
        check_machine(settings)
        return settings

    def searching(
        self,
        evaluations: int | None,
        budgets: Sequence[str] | None,
        objectives: Sequence[str] | None,
        device: str | None = None,
        *,
        keep: bool,
        time_limit: float | None = None,
        plateau: int | None = None,
        int8: bool | None = None,
        weight_bits: int | None = None,
        thorough: bool | None = None,
    ) -> SearchSettings:
        """The space file's search settings, with what the command line changes.

        Args:
            int8: whether nodes may be in 8-bit integers; None: as the run or the space file has it.
            weight_bits: of these, 7 or 8; None: as the run has it, else those that the target runs fastest.
            keep: whether objectives and budgets that are not given stay as the run has them, rather than as the space
                file says.
            time_limit: minutes in place of the space file's `TimeLimit`; 0: no such rule.
            plateau: evaluations in place of those of the space file's `Plateau`, whose gain stays; 0: no such rule.
            thorough: whether candidates are planned one by one; None: as the space file says.
        """
        from mtnas.architecture import FLOAT
        from mtnas.searching import SearchSettings

        _check_weight_bits(int8, weight_bits)
        settings = self.file.setting("searching", SearchSettings())
        known = self.run.manifest.read()
        if keep and "study" in known:
            search = known["search"]
            settings = replace(settings, objectives=search["objectives"], budgets=known["study"]["budgets"])
            settings = replace(settings, precisions=search.get("precisions", [FLOAT]))
        if evaluations is not None:
            settings = replace(settings, evaluations=evaluations)
        if budgets:
            settings = replace(settings, budgets=parse_budgets(budgets))
        if objectives:
            settings = replace(settings, objectives=objectives)
        if int8:
            begun = known.get("search", {}).get("precisions", [FLOAT])  # whatever is fastest on this machine
            there = next((found for found in (begun, settings.precisions) if len(found) > 1), None)
            if weight_bits is not None or there is None:
                there = (FLOAT, integers(settings.target, weight_bits))
            settings = replace(settings, precisions=there)
        elif int8 is False:
            settings = replace(settings, precisions=(FLOAT,))
        if thorough is not None:
            settings = replace(settings, thorough=thorough)
        settings = replace(settings, stop_when=_stop_when(settings.stop_when, time_limit, plateau))
        if device is not None:
            settings = replace(settings, device=device)
        return settings

    def refining(self, epochs: int | None, device: str | None, *, from_scratch: bool | None = None) -> RefineSettings:
        """The space file's settings of training candidates, with what the command line changes."""
        from mtnas.refining import RefineSettings

        settings = self.file.setting("refining", RefineSettings())
        if from_scratch is not None:
            settings = replace(settings, from_scratch=from_scratch)
        if epochs is not None:
            settings = replace(settings, epochs=epochs)
        if device is not None:
            settings = replace(settings, device=device)
        return settings

    @contextmanager
    def asking(self, searching: SearchSettings) -> Iterator[None]:
        """Note how many evaluations the run is to have in all, so that `mtnas runs` can tell how far its search is.

        A search that is refused leaves the run as it was.
        """
        from mtnas.runs.listing import ASKED

        manifest = self.run.manifest
        before = manifest.path.read_bytes()
        manifest.write(ASKED, {"evaluations": searching.evaluations})
        noted = manifest.path.read_bytes()
        try:
            yield
        except MtnasError:
            if manifest.path.read_bytes() == noted:
                write_bytes(manifest.path, before)
            raise

    def remark_before(self, training: TrainingSettings, found: DryRun, as_json: bool = False) -> None:
        """Say, before anything is trained, what will train badly.

        Args:
            found: by a dry run of the space.
            as_json: whether the results are JSON.
        """
        from mtnas.cli.checking import length_of_epoch, remarks_on_steps
        from mtnas.space.remarks import remarks

        if not volume.quiet and not self.run.checkpoint.exists():
            told = remarks(self.file.space, self.data, found)
            for text in (*told, *remarks_on_steps(training.epochs, length_of_epoch(self.data))):
                remark(f"note: {text}", as_json)

    def note_command(self) -> None:
        """Remember this process's command line, which has come to its end."""
        self.run.note_command(shlex.join(["mtnas", *sys.argv[1:]]))

    def claim(self, training: TrainingSettings) -> DryRun:
        """Make the run that of this work; note the space file and where the data is, so that later steps find them.

        Returns:
            What a dry run of the space found.
        """
        from mtnas.training import claim_run

        found = claim_run(self.file.space, self.data, self.run, training)
        self.run.keep_space_file(self.file.path)
        if self.data_dir is not None:
            self.run.manifest.write("data_dir", {"path": str(self.data_dir.resolve())})
        return found


def pool(
    workers: int,
    address: str | None,
    cpus: float,
    gpus: float,
    resource: str | None = None,
    timeout_s: float | None = None,
) -> Pool | None:
    """Where candidates are measured or trained; None: here."""
    from mtnas.pools import Processes, RayPool

    if address is not None:
        several = workers or 2
        return RayPool(address, several, cpus=cpus, gpus=gpus, resource=resource, timeout_s=timeout_s)
    return Processes(workers, timeout_s=timeout_s) if workers else None


def _stop_when(rules: Sequence[StopRule], time_limit: float | None, plateau: int | None) -> tuple[StopRule, ...]:
    """The rules with those of a kind that the command line names replaced, or left out for 0."""
    from mtnas.searching import Plateau, TimeLimit

    if time_limit is not None:
        rules = [rule for rule in rules if not isinstance(rule, TimeLimit)]
        rules += [TimeLimit(time_limit)] if time_limit else []
    if plateau is not None:
        known = next((rule for rule in rules if isinstance(rule, Plateau)), Plateau())
        rules = [rule for rule in rules if not isinstance(rule, Plateau)]
        rules += [replace(known, evaluations=plateau)] if plateau else []
    return tuple(rules)


def _noted_data_dir(run: Run) -> Path | None:
    """The data folder that the run used before."""
    manifest = run.manifest.read()
    if "data_dir" not in manifest:
        return None
    known = manifest["data_dir"]
    if not isinstance(known, dict) or not isinstance(known.get("path"), str):
        raise RunError(f"the manifest {run.manifest.path} is damaged (data_dir); give the folder as --data-dir")
    return Path(known["path"])


def existing_run(path: Path) -> Run:
    """The run of a directory that must be one."""
    from mtnas.runs import Run

    if not (path / "manifest.json").exists():
        raise RunError(f"there is no run in {path}; start one with: mtnas run SPACE --run {path}")
    return Run(path)


DPI = 100
"""Dots per inch of pictures."""


def plot_step(run: Run, results: Results, dpi: int) -> list[Path]:
    """Draw front.png and trees.png into the run directory, and predictors.png if the search had predictors."""
    from mtnas.plotting import draw_front, draw_predictors, draw_trees, save_figure
    from mtnas.runs import read_predictors

    figures = {"front.png": draw_front(results), "trees.png": draw_trees(results)}
    reports = read_predictors(run)
    if any(report.figures for report in reports):
        figures["predictors.png"] = draw_predictors(reports)
    for name, figure in figures.items():
        save_figure(figure, run.path / name, dpi=dpi)
    return [run.path / name for name in figures]


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


def export_step(
    work: Work,
    results: Results,
    row: Row,
    out: Path,
    *,
    int8: bool,
    weight_bits: int | None,
    weights: str | None,
    latency: bool,
) -> Bundle:
    """Write a candidate as ONNX, with refined weights if there are any and nothing else is asked for."""
    from mtnas.architecture import Candidate
    from mtnas.evaluation import extract
    from mtnas.exporting import Origin, export, load_network
    from mtnas.targets import OnnxRuntime
    from mtnas.training import load_supernetwork

    bits = _all_integers(int8, weight_bits, OnnxRuntime())
    refined = _refined(work.run, row.candidate, weights)
    if refined is None:
        supernet = load_supernetwork(work.file.space, work.data, work.run, "cpu")
        network = extract(supernet, row.candidate.architecture, work.data)
        origin = Origin("inherited from the supernetwork", work.run.seed, row.costs)
    else:
        example, _ = work.data.example()
        network, _ = load_network(work.run.path / "refined" / refined.key, work.file.space, example)
        origin = Origin(refined.how, work.run.seed, row.costs, refined.test)
    candidate = row.candidate if bits is None else Candidate.uniform(row.candidate.architecture, bits)
    targets = [OnnxRuntime()] if latency else []
    return export(out, network, candidate, work.file.space, work.data, results, origin, targets=targets)


def integers(target: Target | None, weight_bits: int | None) -> Bits:
    """Bits of 8-bit integers on a target, or on onnxruntime where none is named.

    Args:
        weight_bits: of weights; None: what the target runs fastest.
    """
    from mtnas.architecture import INT8, W7A8
    from mtnas.errors import ExportError
    from mtnas.targets import OnnxRuntime

    if weight_bits is not None:
        return W7A8 if weight_bits == W7A8[0] else INT8
    try:
        found = (target or OnnxRuntime()).integers
    except ExportError:  # onnxruntime is not installed, so that nothing here runs integers
        return INT8
    if found == W7A8:
        remark(
            "integers: weights of 7 bits, which this CPU (without VNNI) runs faster than 8; --weight-bits 8 for those",
            as_json=True,
        )
    return found


def _all_integers(int8: bool, weight_bits: int | None, target: Target) -> Bits | None:
    """Bits of all nodes; None: those of the candidate."""
    _check_weight_bits(int8, weight_bits)
    return integers(target, weight_bits) if int8 else None


def _check_weight_bits(int8: bool | None, weight_bits: int | None) -> None:
    if weight_bits is not None and not int8:
        raise RunError(f"--weight-bits {weight_bits} is of integers; give --int8 with it, or leave it out")


def measure_step(
    work: Work, rows: Sequence[Row], target: Target, *, int8: bool, weight_bits: int | None, rounds: int
) -> list[tuple[Row, Candidate, Latency]]:
    """Measure rows as they are, and with ``int8`` all in integers too, and keep the latencies in the run."""
    from mtnas.architecture import Candidate
    from mtnas.evaluation import latencies, reference_ms
    from mtnas.runs.latencies import keep_latencies, read_reference
    from mtnas.supernet import SuperNetwork
    from mtnas.targets import MeasureSettings

    bits = _all_integers(int8, weight_bits, target)
    example, _ = work.data.example()
    supernet = SuperNetwork(work.file.space, example)
    asked = []
    for row in rows:
        asked.append((row, row.candidate))
        if bits is not None:
            asked.append((row, Candidate.uniform(row.candidate.architecture, bits)))
    every = list(dict.fromkeys(candidate for _, candidate in asked))
    found, where, settings = {}, target.describe(), MeasureSettings(rounds=rounds)
    anchor = read_reference(work.run, where) or reference_ms(target, settings)
    with progress("latencies", len(every), show=not volume.quiet) as advance:
        for candidate, latency in latencies(supernet, every, target, example, settings, anchor=anchor):
            found[candidate] = latency
            advance(str(latency))
    keep_latencies(work.run, where, anchor, found)
    return [(row, candidate, found[candidate]) for row, candidate in asked]


def _refined(run: Run, candidate: Candidate, weights: str | None) -> RefinedRow | None:
    """The refined row to take, None for inherited weights."""
    from mtnas.errors import unknown_name
    from mtnas.refining import read_refined
    from mtnas.results import mean_error

    kinds = ("inherited", "fine-tuned", "from-scratch")
    if weights is not None and weights not in kinds:
        raise RunError(unknown_name("kind of weights", weights, kinds))
    rows = [row for row in read_refined(run).rows if row.candidate == candidate]
    if weights is not None:
        rows = [row for row in rows if row.key.endswith(weights)]
        if not rows and weights != "inherited":
            raise RunError(f"candidate {candidate.id} has no {weights} weights; run mtnas refine first")
    return min(rows, key=lambda row: mean_error(row.valid), default=None)


def advice_step(run: Run, branching: Branching, shares: Sequence[float], count: int) -> list[Advice]:
    """What the training says about each budget."""
    from mtnas.branching import advise
    from mtnas.seeds import derive_seed

    space, table = run.architectures()
    return [advise(space, table, branching, share, derive_seed(run.seed, "trees"), count=count) for share in shares]
