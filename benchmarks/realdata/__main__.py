"""Front members against hard sharing and single-task networks at equal params, on data that others use too."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.realdata.bars import CENSUS_RULE, CHANCE, EQUAL_AUC, OVERLAY_RULE, census_bars, overlay_bars
from benchmarks.realdata.case import Case
from benchmarks.realdata.choosing import Rule
from benchmarks.realdata.lengths import CENSUS, DATA, OVERLAYS, QUICK, SCENES, Asked, Lengths, add_own, asked_of
from benchmarks.realdata.one_seed import outcome_of
from benchmarks.realdata.outcome import Outcome
from benchmarks.realdata.table import means_of, rows_of
from benchmarks.report import Bar, Options, Report, main
from mtnas.errors import DataError

ABOUT = (
    "Each seed trains a supernetwork, searches it and chooses one member of the front by validation errors: the lowest"
    f" mean error within {OVERLAY_RULE.share:.0%} of the params of the single-task networks (overlays; members that"
    " share everything are passed over if there are others), or within"
    f" {CENSUS_RULE.share:.0%} of the MACs of hard sharing (Census; the cheapest whose mean error is within"
    f" {EQUAL_AUC:g} of the lowest there). That"
    " member is trained from scratch beside hard sharing and single-task networks of its params, and beside both at"
    " the space's full width (Census: and hard sharing at narrower widths), all alike, with the largest operators where"
    " nothing else is said; the epoch of lowest mean validation error is kept, and test errors are measured once."
    " Fine-tuned: the same member, and hard sharing"
    " and single-task networks of the space's full width, from inherited weights of the one supernetwork. Delta_m: mean"
    " over tasks of (E_single - E) / E_single in test errors (error rates; 1 - AUC of yes-or-no tasks; 1 - mean IoU and"
    " root mean square of tasks on pixels), single-task at"
    " full width from scratch; above zero is better. lead: Delta_m of the member from scratch less the row's, in"
    " points; p: two-sided paired t-test of it over the seeds. Bars of what is refined take the rival of lower"
    " validation error in each seed, however it was trained: of the single-task networks at full width, and of all hard"
    " sharing networks, of equal params and full width. Where there are two networks of hard sharing at equal params,"
    f" the bar takes the one of lower validation error, too. A p below {CHANCE:g} counts, and mean AUCs within"
    f" {EQUAL_AUC:g} are equal. One thread. Finished parts are kept in --work-dir as runs, and a run that was"
    " interrupted is gone on with."
)


@dataclass(frozen=True)
class Kind:
    """What is asked of one kind of data; for ``narrower`` see `Case`."""

    rule: Rule
    lengths: Lengths
    bars: Callable[[str, Sequence[Outcome]], list[Bar]]
    narrower: tuple[float, ...] = ()


NARROWER = (0.25, 0.35, 0.5, 0.7)
"""Widths at which the cheapest shared bottom of equal AUC is looked for."""

OVERLAY = Kind(OVERLAY_RULE, OVERLAYS, overlay_bars)
SCENE = Kind(OVERLAY_RULE, SCENES, overlay_bars)
KINDS = dict(zip(DATA, (OVERLAY, OVERLAY, SCENE, Kind(CENSUS_RULE, CENSUS, census_bars, NARROWER)), strict=True))


def measure(asked: Asked, options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    if options.quick:
        report.about += "\n--quick: one seed, a data set of each kind, few samples and epochs; its figures mean nothing"
    for name in _one_of_each_kind(asked.only) if options.quick else asked.only:
        kind = KINDS[name]
        lengths = asked.lengths(QUICK if options.quick else kind.lengths)
        try:
            case = replace(Case.of(name, options.data_dir, kind.rule, lengths), narrower=kind.narrower)
        except DataError as error:
            report.about += f"\n{name} left out: {error}"
            continue
        report.about += f"\n{name}: {lengths}"
        outcomes = outcomes_of(case, options.seeds[:1] if options.quick else options.seeds, options.work_dir)
        report.rows += [row for outcome in outcomes for row in rows_of(name, outcome)]
        report.rows += means_of(name, outcomes) if len(outcomes) > 1 else []
        report.bars += kind.bars(name, outcomes)
    return report


def _one_of_each_kind(names: Sequence[str]) -> list[str]:
    """The first data set of those that have the same aims."""
    return list({KINDS[name].bars: name for name in reversed(names)}.values())[::-1]


def outcomes_of(case: Case, seeds: Sequence[int], work_dir: Path) -> list[Outcome]:
    """One outcome for every seed."""
    found = []
    for seed in seeds:
        found.append(outcome_of(case, seed, work_dir / "realdata" / case.name / str(seed)))
        gc.collect()
    return found


if __name__ == "__main__":
    main("realdata", ABOUT, lambda options: measure(asked_of(options.own), options), seeds=range(3), add_own=add_own)
