"""What a command works on: a run directory, the space file and the data."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtnas.atomic import write_bytes
from mtnas.cli.options import parse_budgets
from mtnas.cli.output import remark, volume
from mtnas.cli.steps.precision import check_weight_bits, precisions
from mtnas.errors import MtnasError, PoolError, RunError
from mtnas.runs.study_file import without_password

if TYPE_CHECKING:
    from mtnas.pools import Pool
    from mtnas.refining import RefineSettings
    from mtnas.runs import Run
    from mtnas.searching import SearchSettings, StopRule
    from mtnas.space.data import Data
    from mtnas.space.dry_run import DryRun
    from mtnas.space.file import SpaceFile
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
        weight_bits: Sequence[int] | None = None,
        thorough: bool | None = None,
    ) -> SearchSettings:
        """The space file's search settings, with what the command line changes.

        Args:
            int8: whether nodes may be in 8-bit integers; None: as the run or the space file has it.
            weight_bits: of these, 8, 7 or 4, or several; none: as the run has it, else those that the target runs
                fastest.
            keep: whether objectives and budgets that are not given stay as the run has them, rather than as the space
                file says.
            time_limit: minutes in place of the space file's `TimeLimit`; 0: no such rule.
            plateau: evaluations in place of those of the space file's `Plateau`, whose gain stays; 0: no such rule.
            thorough: whether candidates are planned one by one; None: as the space file says.
        """
        from mtnas.architecture import FLOAT
        from mtnas.searching import SearchSettings

        check_weight_bits(int8, weight_bits or [])
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
            if weight_bits or there is None:
                there = precisions(settings.target, weight_bits or [])
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

        Then note that the search has ended. One that is refused leaves the run as it was.
        """
        from mtnas.runs.listing import ASKED

        manifest = self.run.manifest
        before = manifest.path.read_bytes()
        manifest.write(ASKED, {"evaluations": searching.evaluations, "ended": False})
        noted = manifest.path.read_bytes()
        try:
            yield
        except MtnasError:
            if manifest.path.read_bytes() == noted:
                write_bytes(manifest.path, before)
            raise
        manifest.write(ASKED, {"evaluations": searching.evaluations, "ended": True})

    def remark_before(self, training: TrainingSettings, found: DryRun, as_json: bool = False) -> None:
        """Say, before anything is trained, what will train badly.

        Args:
            found: by a dry run of the space.
            as_json: whether the results are JSON.
        """
        from mtnas.cli.checking import length_of_epoch, remarks_on_length
        from mtnas.space.remarks import remarks

        if not volume.quiet and not self.run.checkpoint.exists():
            told = remarks(self.file.space, self.data, found)
            for text in (*told, *remarks_on_length(training, self.file.space, length_of_epoch(self.data))):
                remark(f"note: {text}", as_json)

    def check_files(self) -> None:
        """Raise SearchError, before anything is trained, for what the files of the space file's search cannot have."""
        from mtnas.searching import SearchSettings, check_files, needs_files
        from mtnas.space.check import check

        searching = self.file.setting("searching", SearchSettings())
        if self.run.checkpoint.exists() or not needs_files(searching, self.file.space.architectures.tasks):
            return
        example, _ = self.data.example()
        check_files(searching, self.file.space, check(self.file.space, self.data), example)

    def note_command(self) -> None:
        """Remember this process's command line, which has come to its end; manifest and report tell it."""
        self.run.note_command(command_line(sys.argv[1:]))

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
    for option, given in (
        ("--worker-cpus", cpus != 1),
        ("--worker-gpus", gpus != 0),
        ("--latency-resource", resource is not None),
    ):
        if given:
            raise PoolError(f"{option} is for workers on a Ray cluster, but there is none; add --ray-address")
    if workers:
        return Processes(workers, timeout_s=timeout_s)
    if timeout_s is not None:
        raise PoolError("--timeout ends what workers do, but there are none; add --workers 1, or more")
    return None


def command_line(words: Sequence[str]) -> str:
    """What was typed, without the password of a database.

    >>> command_line(["search", "my run", "--storage=postgresql://me:secret@host/studies"])
    "mtnas search 'my run' --storage=postgresql://me@host/studies"
    """
    shown = []
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        shown.append(f"{option}{equals}{without_password(value)}")
    return shlex.join(["mtnas", *shown])


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
