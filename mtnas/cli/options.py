"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mtnas.errors import SearchError

SpaceArgument = Annotated[
    Path, typer.Argument(metavar="SPACE", help="Space file, for example search_spaces/digits.py.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")]
RunOption = Annotated[Path, typer.Option("--run", help="Run directory: made if new, continued if it is this run's.")]
SpaceOption = Annotated[
    Path | None, typer.Option("--space", help="Space file to use instead of the one that the run was started with.")
]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="MTNAS_DATA", help="Folder with the data sets, handed to the space file."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Root seed. Default: the run's own, 0 for a new run.")]
EpochsOption = Annotated[
    int | None, typer.Option("--epochs", min=1, help="Epochs of training. Default: the space file's.")
]
EvaluationsOption = Annotated[
    int | None,
    typer.Option("--evaluations", "-n", min=1, help="Candidates to measure in all. Default: the space file's."),
]
TimeLimitOption = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        min=0,
        metavar="MINUTES",
        help="End the search after this many minutes, training not included. 0: no limit. Default: the space file's.",
    ),
]
PlateauOption = Annotated[
    int | None,
    typer.Option(
        "--plateau",
        min=0,
        metavar="N",
        help="End the search once the hypervolume hardly grew over the last N evaluations (by less than 0.1 %, or the"
        " space file's share). 0: go on. Default: the space file's.",
    ),
]
ThoroughOption = Annotated[
    bool | None,
    typer.Option(
        "--thorough/--swift",
        help="Plan every candidate by itself, which takes a tenth of a second more for each and finds more with as many"
        " evaluations; or several at a time. Default: the space file's.",
    ),
]
WarmStartOption = Annotated[
    Path | None,
    typer.Option(
        "--warm-start",
        metavar="RUN",
        help="Begin from the rows of another run: its best candidates are measured first, and its rows advise the"
        " predictors. Copied into the run, which needs the option once only.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="auto (CUDA if there is one, else CPU), cpu, cuda or cuda:1. Default: the space file's, or auto.",
    ),
]
TensorBoardOption = Annotated[
    bool,
    typer.Option("--tensorboard", help="Write TensorBoard scalars into RUN/tensorboard; needs mtnas\\[tensorboard]."),
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget", "-b", metavar="COST=LIMIT", help="Hard upper limit of a cost, e.g. params=20000. Repeatable."
    ),
]
WeightOption = Annotated[
    list[str] | None,
    typer.Option(
        "--weight",
        "-w",
        metavar="TASK=NUMBER",
        help="How much a task's error counts: 1 if not given, 0 to ignore it. Repeatable.",
    ),
]
ObjectiveOption = Annotated[
    list[str] | None,
    typer.Option("--objective", "-o", metavar="COST", help="Cost to minimise, e.g. error/mean or macs. Repeatable."),
]
Int8Option = Annotated[
    bool | None,
    typer.Option(
        "--int8/--float",
        help="Search which nodes are in 8-bit integers, too, or architectures in float alone. Default: the space"
        " file's. Objectives then are best latency_ms and size_kib, beside errors.",
    ),
]
WeightBitsOption = Annotated[
    int | None,
    typer.Option(
        "--weight-bits",
        help="Of integers: 8; 7, which x86 CPUs without VNNI run faster; or 4, two in a byte of the file, as fast as 7."
        " Default: the faster of 8 and 7 here.",
    ),
]
SearchedWeightBitsOption = Annotated[
    list[int] | None,
    typer.Option(
        "--weight-bits",
        help="Of integers: 8; 7, which x86 CPUs without VNNI run faster; or 4, two in a byte of the file, as fast as 7."
        " Repeatable: 8 and 4 let every node have either. Default: the faster of 8 and 7 here.",
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option("--workers", min=0, help="Processes of this machine that measure candidates. 0: none, this one does."),
]
PartsOption = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        help="Processes that train together, each on its part of every batch; each has a GPU of its own, if there are"
        " enough. 0: this one alone.",
    ),
]
TrainersOption = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        help="Processes of this machine that train a candidate each; with --ray-address, trials of Ray Tune. 0: none,"
        " this one does.",
    ),
]
HalvingOption = Annotated[
    str | None,
    typer.Option(
        "--halving",
        metavar="COST",
        help="End trainings that are behind others in error/mean or error/TASK (asynchronous successive halving), with"
        " --ray-address. They go on when this is called without it.",
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="local|auto|HOST:PORT|ray://HOST:PORT",
        help="Work on a Ray cluster, with --workers actors; local: one of its own here. Needs mtnas\\[ray].",
    ),
]
CpusOption = Annotated[float, typer.Option("--worker-cpus", min=0, help="CPUs of the Ray cluster for each worker.")]
GpusOption = Annotated[float, typer.Option("--worker-gpus", min=0, help="GPUs for each worker; fractions share one.")]
ResourceOption = Annotated[
    str | None,
    typer.Option("--latency-resource", metavar="NAME", help="Custom Ray resource of the nodes that measure latency."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=0.001, metavar="SECONDS", help="How long a worker may take for one candidate."),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Database to keep the study in, e.g. postgresql://user@host/studies (with a password: in MTNAS_STORAGE)."
        " Default: a file of the run.",
    ),
]
RowsOption = Annotated[
    int | None,
    typer.Option("--rows", min=1, help="Largest number of front members to print. Default: 15, with --json all."),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print JSON instead of tables, and nothing else to standard output."),
]
CandidateOption = Annotated[
    str, typer.Option("--candidate", "-c", help="Id of a candidate or its first digits, or #number.")
]
CandidatesOption = Annotated[
    list[str] | None,
    typer.Option("--candidate", "-c", help="Id of a candidate or its first digits, or #number. Repeatable."),
]


def parse_budgets(texts: Sequence[str]) -> dict[str, float]:
    """Budgets by cost name from ``COST=LIMIT`` texts; limits may end in k, M or G.

    Raises:
        SearchError: for a text of another form, or a cost that is named twice.
    """
    return _parse(texts, "budget", "COST=LIMIT, for example params=20000 or macs=1.5M")


def parse_weights(texts: Sequence[str]) -> dict[str, float]:
    """Weights by task from ``TASK=NUMBER`` texts.

    Raises:
        SearchError: for a text of another form, or a task that is named twice.
    """
    return _parse(texts, "weight", "TASK=NUMBER, for example depth=3")


def _parse(texts: Sequence[str], what: str, form: str) -> dict[str, float]:
    units = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
    found: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        factor = units.get(number[-1:], 1.0)
        try:
            value = float(number[:-1] if factor != 1 else number) * factor
        except ValueError:
            value = float("nan")
        if not (name and equals) or value != value:
            raise SearchError(f"a {what} is given as {form}, but got '{text}'")
        if name in found:
            raise SearchError(f"the {what} of {name} is given twice; give it once")
        found[name] = value
    return found
