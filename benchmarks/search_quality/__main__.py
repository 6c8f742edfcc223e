"""Share of the best hypervolume after few evaluations: our sampler against others, on problems of known costs."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from functools import partial

from benchmarks.report import Options, Report, main
from benchmarks.search_quality.curves import Curve, curves, write_csv
from benchmarks.search_quality.macro import NAME as MACRO
from benchmarks.search_quality.optuna_rivals import OURS
from benchmarks.search_quality.pictures import draw
from benchmarks.search_quality.problem import Problem
from benchmarks.search_quality.problems import PROBLEMS, problem_named
from benchmarks.search_quality.rivals import RIVALS
from benchmarks.search_quality.runs import Job, run_all
from benchmarks.search_quality.table import LONG, bars_of, rows_of
from mtnas.errors import DataError

ABOUT = (
    "Every rival gets the same number of evaluations of the same problem. Figures: hypervolume of the feasible costs"
    " measured so far (reference 1.1 in each cost, costs on their whole range), as a share of that of the exact front,"
    " or, on 'interactions 60' and 'constrained', of all that anybody found in this report: mean ± standard deviation"
    " over the seeds. feasible: share of evaluations that meet the constraints; repeats: share that had been evaluated"
    " before; seconds: CPU time of a whole run. One thread. LINAS measures 50 before its first prediction, pymoo's"
    " population is 50. GP is run for 100 evaluations, and for the first --gp-seeds seeds only."
    " Finished searches are kept in --work-dir and read again."
)

EVALUATIONS, QUICK_EVALUATIONS = 300, 60
LONGER = ("random", "NSGA-II 20 (Optuna)")
"""Rivals that go on for `LONG` evaluations on NAS-Bench-Macro."""

QUICK_PROBLEMS = (MACRO, "constrained")
QUICK_RIVALS = (*LONGER, OURS)


@dataclass(frozen=True)
class Extras:
    """Options that only this benchmark has."""

    workers: int
    again: bool
    gp_seeds: int
    problems: list[str]
    rivals: list[str]


def measure(extras: Extras, options: Options) -> Report:
    report = Report(ABOUT)
    problems, rivals = _taking_part(extras, options, report)
    folder = options.work_dir / "search_quality"
    finished = run_all(_jobs(problems, rivals, extras, options), extras.workers, extras.again)
    everything: list[Curve] = []
    for problem in problems:
        found = curves(problem, [run for run in finished if run.job.problem == problem.name])
        everything += found
        report.rows += rows_of(problem, found)
        report.bars += bars_of(problem, found)
        draw(folder / f"{problem.name.lower().replace(' ', '-')}.png", problem, found)
    write_csv(folder / "curves.csv", everything)
    return report


def _taking_part(extras: Extras, options: Options, report: Report) -> tuple[list[Problem], list[str]]:
    """Problems and rivals for which everything is there; what is left out is said in the report."""
    problems = []
    for name in QUICK_PROBLEMS if options.quick else extras.problems:
        try:
            problems.append(problem_named(name, options.data_dir))
        except DataError as error:
            report.about += f"\n{name} left out: {error}"
    rivals = []
    for name in QUICK_RIVALS if options.quick else extras.rivals:
        missing = RIVALS[name].missing
        if name == OURS and not _ours_exists():
            report.about += f"\n{name} left out: mtnas has no such name yet"
        elif missing:
            report.about += f"\n{name} left out: it needs {', '.join(missing)}; install with pip"
        else:
            rivals.append(name)
    if options.quick:
        report.about += f"\n--quick: {QUICK_EVALUATIONS} evaluations, two seeds; its figures mean nothing"
    return problems, rivals


def _jobs(problems: list[Problem], rivals: list[str], extras: Extras, options: Options) -> list[Job]:
    """Seed by seed, so that what an interrupted comparison has done is as even as can be."""
    folder = options.work_dir / "search_quality"
    jobs = []
    for place, seed in enumerate(options.seeds[:2] if options.quick else options.seeds):
        for problem in problems:
            for name in rivals:
                if RIVALS[name].few_seeds and place >= extras.gp_seeds:
                    continue
                evaluations = QUICK_EVALUATIONS if options.quick else _evaluations(problem, name)
                jobs.append(Job(problem.name, name, seed, evaluations, options.data_dir, folder))
    return jobs


def _evaluations(problem: Problem, rival: str) -> int:
    wanted = LONG if problem.name == MACRO and rival in LONGER else EVALUATIONS
    return min(wanted, RIVALS[rival].at_most or wanted)


def _ours_exists() -> bool:
    import mtnas

    return hasattr(mtnas, "PredictorSampler")


def _extras() -> Extras:
    """Take this benchmark's own options off the command line; `main` reads the others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, usage="options of this benchmark alone:")
    parser.add_argument("--workers", type=int, default=1, help="processes to spread the searches over")
    parser.add_argument("--again", action="store_true", help="run ours again where it is kept")
    parser.add_argument("--gp-seeds", type=int, default=3, help="seeds for Optuna's slow GP sampler")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS))
    if {"-h", "--help"} & set(sys.argv):
        parser.print_help()
    given, sys.argv[1:] = parser.parse_known_args()
    return Extras(**vars(given))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that are started
    main("search_quality", ABOUT, partial(measure, _extras()), seeds=range(10))
