"""The files of a comparison: what is compared and how, and one folder per training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mtnas.architecture import Candidate
from mtnas.errors import RunError, brief
from mtnas.json_values import is_there, read_json, text, whole
from mtnas.refining.comparison import ComparedNetwork, ComparedRun, Comparison
from mtnas.refining.row_files import check_kept, task_errors_in
from mtnas.refining.settings import RefineSettings
from mtnas.runs import Run, write_text
from mtnas.runs.manifest import first_difference

_COMPARED, _FILE = "compared", "comparison.json"


def compared_folder(run: Run, candidate: Candidate) -> Path:
    """Where everything of a candidate's comparison is."""
    return run.path / _COMPARED / candidate.id


def network_folder(folder: Path, network: ComparedNetwork, seed: int) -> Path:
    """Where one training of a network is, below `compared_folder`."""
    words = network.name.replace(",", "").replace("'", "").split()
    return folder / f"{'-'.join(words)}-seed-{seed}"


def claim_comparison(
    folder: Path,
    candidate: Candidate,
    settings: RefineSettings,
    tolerance: float,
    networks: Sequence[ComparedNetwork],
    single: str,
) -> None:
    """Note what is compared and how, or see that it is what was begun.

    Raises:
        RunError: naming the first value that differs, both values, and the remedy.
    """
    path = folder / _FILE
    value = {
        "candidate": candidate.to_json(),
        "settings": settings.to_json(),
        "tolerance": tolerance,
        "networks": {one.name: one.to_json() for one in networks},
        "single": single,
    }
    if not path.exists():
        write_text(path, json.dumps(value, indent=1))
        return
    try:
        known = read_json(path)
    except (ValueError, OSError) as error:
        raise _damaged(path, error) from error
    difference = first_difference(known, json.loads(json.dumps(value)), "")
    if difference is not None:
        where, old, new = difference
        raise RunError(
            f"the comparison of candidate {candidate.id} was begun with {where.lstrip('.')} = {old}, but now it is"
            f" {new}; use the same value, or delete {folder}"
        )


def read_comparisons(run: Run) -> list[Comparison]:
    """All comparisons of a run as far as they have come, by the candidates' ids. Runs no code of the space.

    Raises:
        RunError: naming a file that is damaged.
    """
    return [_read(run, path) for path in sorted((run.path / _COMPARED).glob(f"*/{_FILE}"))]


def read_compared(run: Run, candidate: Candidate) -> Comparison:
    """The comparison of a candidate as far as it has come. Runs no code of the space.

    Raises:
        RunError: if there is none, or one of its files is damaged.
    """
    path = compared_folder(run, candidate) / _FILE
    if not is_there(path):
        raise RunError(f"candidate {candidate.id} of the run {run.path} was not compared yet; compare it first")
    return _read(run, path)


def _read(run: Run, path: Path) -> Comparison:
    space = run.architectures()[0].unlimited()
    try:
        value = read_json(path)
        if not isinstance(value, dict) or not isinstance(value["networks"], dict):
            raise TypeError("there are no networks")
        networks = tuple(ComparedNetwork.from_json(name, one) for name, one in value["networks"].items())
        for network in networks:
            space.check(network.candidate.architecture)
        single, candidate = text(value["single"]), Candidate.from_json(value["candidate"])
        if single not in value["networks"] or path.parent != compared_folder(run, candidate):
            raise ValueError("it is not of this candidate, or lacks the single-task networks")
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise _damaged(path, error) from error
    return Comparison(candidate, space.tasks, networks, _read_runs(path.parent, networks, space.tasks), single)


def _read_runs(folder: Path, networks: Sequence[ComparedNetwork], tasks: Sequence[str]) -> tuple[ComparedRun, ...]:
    places = {network.name: place for place, network in enumerate(networks)}
    runs = []
    for path in (place / "row.json" for place in folder.glob("*")):
        if not is_there(path):  # it is being trained
            continue
        try:
            row = read_json(path)
            valid, test = (task_errors_in(row, split, tasks) for split in ("valid", "test"))
            run = ComparedRun(text(row["network"]), whole(row["seed"]), valid, test, whole(row["epoch"]))
            check_kept(row, run.epoch, valid)
            runs.append((places[run.network], run.seed, run))
            if path.parent != network_folder(folder, networks[places[run.network]], run.seed):
                raise ValueError(f"it is of network {run.network}, seed {run.seed}")
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RunError(
                f"{path} is damaged ({brief(error)}); delete its folder to train that network again"
            ) from error
    return tuple(run for _, _, run in sorted(runs, key=lambda entry: entry[:2]))


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(f"{path} is damaged ({brief(error)}); delete {path.parent} to compare that candidate again")
