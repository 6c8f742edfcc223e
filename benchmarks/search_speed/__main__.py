"""Predicted candidates per second, what a proposal costs, and repeats of parallel trials."""

from __future__ import annotations

import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is imported

import optuna
from optuna.exceptions import ExperimentalWarning

from benchmarks.report import Options, Report, main
from benchmarks.search_speed import candidates, proposals, repeats

ABOUT = (
    "Unit: microseconds of CPU time of this process, one thread; median over seeds and rounds, 10% and 90% quantiles."
    " All that a seed compares runs in turn. Problem: 'interactions' of the search_quality benchmark with"
    f" {candidates.GENES} genes of 3 choices and 3 objectives, two of them not additive, drawn anew by each seed.\n"
    "predicted candidate: evolutionary search on predictors of all objectives, fitted on so many random rows. within:"
    " the part of the time that goes to the predictor; distinct: share of the candidates that differ, which alone are"
    " counted. ours: population and children as shipped, the same predictors as in a search. pymoo: population 100 and"
    " as many children, or 400 like ours. Optuna: population 50, in memory, a trial for every candidate. Baseline:"
    f" Optuna's trial, with and without the time of the predictor. {candidates.FULL.rounds} rounds for each seed.\n"
    "proposed trial: ask and tell, in memory, with so many trials in the study. ours: over whole batches, of plans"
    " that begin anew and that go on in their proportion, plus a re-fit of the predictors' weights over the trials"
    " until the next (within). Others: trials after the first one that"
    " reads the study; NSGA-II: a generation, after as many trials of its own.\n"
    "trial of a study: study.optimize with n_jobs=4 of so many trials that sleep 1 to 3 ms each, on"
    f" {repeats.GENES} genes of 3 choices; all of it is counted."
)


def measure(options: Options) -> Report:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ExperimentalWarning)
    report = Report(ABOUT + f"\nseeds: {' '.join(map(str, options.seeds))}")
    seeds = options.seeds
    if options.quick:
        seeds = seeds[:1]
        report.about += f"\n--quick: seed {seeds[0]} alone, few candidates and trials; its figures mean little"
    rows, bars, left_out = candidates.measure_candidates(candidates.QUICK if options.quick else candidates.FULL, seeds)
    report.about += left_out
    report.rows += rows
    report.bars += bars
    rows, bars = proposals.measure_proposals(proposals.QUICK if options.quick else proposals.FULL, seeds)
    report.rows += rows
    report.bars += bars
    rows, bars = repeats.measure_repeats(200 if options.quick else 2_000, seeds)
    report.rows += rows
    report.bars += bars
    return report


if __name__ == "__main__":
    main("search_speed", ABOUT, measure, seeds=(0, 1, 2))
