"""The benchmark on real data: members are chosen by validation errors alone, figures have the sign that is claimed."""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from test_results import SPACE, TABLE, make_results, shuffled
from test_space_files import DATA_DIR
from toys import plain_space

from benchmarks.realdata.__main__ import measure
from benchmarks.realdata.bars import census_bars, overlay_bars
from benchmarks.realdata.case import some
from benchmarks.realdata.choosing import SINGLE_TASK, Rule, shares_all
from benchmarks.realdata.figures import Spread, delta_m
from benchmarks.realdata.lengths import DATA, OVERLAYS, Asked, add_own, asked_of
from benchmarks.realdata.outcome import Outcome, Trained
from benchmarks.realdata.table import means_of, rows_of
from benchmarks.report import Options
from mtnas.architecture import Architecture, CostTable, Tree
from mtnas.errors import SearchError
from mtnas.refining.job import Job
from mtnas.results import MEAN_ERROR, corners
from mtnas.space.data import Data

needs_data = pytest.mark.skipif(DATA_DIR is None, reason="needs data files: name their directory in MTNAS_DATA")

errors = st.floats(0.01, 1.0)

# Figures ---------------------------------------------------------------------------------------------------------


def test_delta_m_is_above_zero_for_the_better_network() -> None:
    base = {"a": 0.2, "b": 0.4}
    assert math.isclose(delta_m({"a": 0.1, "b": 0.4}, base), 0.25)
    assert math.isclose(delta_m({"a": 0.2, "b": 0.6}, base), -0.25)
    assert delta_m(base, base) == 0
    assert math.isnan(delta_m(base, {"a": 0.0, "b": 0.4}))


@given(st.lists(st.tuples(errors, errors), min_size=1, max_size=5), errors)
def test_delta_m_does_not_depend_on_the_scale_of_a_task(pairs: list[tuple[float, float]], scale: float) -> None:
    ours, base = ({str(task): pair[side] for task, pair in enumerate(pairs)} for side in (0, 1))
    scaled = [{**one, "0": one["0"] * scale} for one in (ours, base)]
    assert math.isclose(delta_m(ours, base), delta_m(*scaled), abs_tol=1e-9)


@given(st.lists(st.tuples(errors, errors), min_size=2, max_size=6))
def test_the_spread_of_differences_is_the_paired_test(pairs: list[tuple[float, float]]) -> None:
    differences = [one - other for one, other in pairs]
    spread, opposite = Spread.of(differences), Spread.of([-difference for difference in differences])
    assert spread.count == len(pairs) and math.isclose(spread.mean, -opposite.mean, abs_tol=1e-12)
    if spread.sd > 1e-6:
        expected = ttest_rel(*zip(*pairs, strict=True)).pvalue
        assert math.isclose(spread.p, expected, abs_tol=1e-9) and math.isclose(spread.p, opposite.p)


def test_one_seed_proves_nothing_and_neither_do_equal_ones() -> None:
    assert math.isnan(Spread.of([0.3]).p) and math.isnan(Spread.of([0.3]).sd) and str(Spread.of([0.3])) == "0.3"
    assert math.isnan(Spread.of([0.0, 0.0, 0.0]).p)
    # t = 2 sqrt(3), two degrees of freedom: p = 1 - t / sqrt(t^2 + 2).
    assert math.isclose(Spread.of([1.0, 2.0, 3.0]).p, 1 - math.sqrt(12 / 14))


# The choice ------------------------------------------------------------------------------------------------------


def shared(architecture: Architecture) -> bool:
    return shares_all(SPACE, TABLE, architecture)


def test_tasks_that_part_where_nothing_is_done_share_everything() -> None:
    space = plain_space((True, True), (2, 2))
    nothing, conv = (0, 0), (3, 3)
    table = CostTable.plain(nothing, [[conv, conv], [conv, nothing]], [nothing] * 3)
    late = Tree(((0, 0, 0), (0, 1, 1)))
    for options, expected in ((("o1", "o1"), True), (("o0", "o1"), False), (("o0", "o0"), False)):
        assert shares_all(space, table, Architecture(late, (("o0",), options))) == expected
    assert shares_all(space, table, Architecture(Tree.shared(3, 2), (("o0",), ("o0",))))
    assert not shares_all(space, table, Architecture(Tree.split(3, 2), (("o0",) * 3, ("o1",) * 3)))


@pytest.mark.parametrize("branched", [True, False])
@given(seed=st.integers(0, 30), share=st.floats(0.3, 1.0))
def test_the_chosen_member_is_the_best_of_the_front_within_the_limit(branched: bool, seed: int, share: float) -> None:
    results = make_results(seed=seed, objectives=(MEAN_ERROR, "params"))
    rule = Rule("params", share, SINGLE_TASK, branched)
    limit = share * TABLE.of(SPACE, corners(SPACE, TABLE)[SINGLE_TASK])["params"]
    fitting = [row for row in results.front() if row.costs["params"] <= limit]
    if not fitting:
        with pytest.raises(SearchError, match=r"^no member of the front has at most .* params; give the search more"):
            rule.choose(results)
        return
    if branched:
        fitting = [row for row in fitting if not shared(row.candidate.architecture)] or fitting
    chosen = rule.choose(results)
    assert chosen in fitting and chosen.costs[MEAN_ERROR] == min(row.costs[MEAN_ERROR] for row in fitting)
    assert rule.choose(shuffled(results, seed)) == chosen
    slack = replace(rule, slack=0.01).choose(results)
    near = [row for row in fitting if row.costs[MEAN_ERROR] <= chosen.costs[MEAN_ERROR] + 0.01]
    assert slack in near and slack.costs["params"] == min(row.costs["params"] for row in near)


def test_members_that_share_everything_are_passed_over_only_where_that_is_asked_for() -> None:
    results = make_results(objectives=(MEAN_ERROR, "params"))
    everything = Rule("params", 1.0, SINGLE_TASK, branched=False)
    likely = replace(
        results,
        rows=tuple(
            replace(row, costs={**row.costs, MEAN_ERROR: 0.01 if shared(row.candidate.architecture) else 0.02})
            for row in random.Random(0).sample(results.rows, len(results.rows))
        ),
        objectives=(MEAN_ERROR,),
    )
    assert shared(everything.choose(likely).candidate.architecture)
    # All on the front share everything, so that no other can be chosen; a single branched one is.
    branched = replace(everything, branched=True)
    assert shared(branched.choose(likely).candidate.architecture)
    worse = next(row for row in likely.rows if not shared(row.candidate.architecture))
    on_it = replace(worse, costs={**worse.costs, "params": -1.0})
    wide = replace(likely, rows=(*likely.rows, on_it), objectives=(MEAN_ERROR, "params"))
    assert not shared(branched.choose(wide).candidate.architecture)
    assert shared(everything.choose(wide).candidate.architecture)


# Bars ------------------------------------------------------------------------------------------------------------


def network(name: str, error: float, *, valid: float | None = None, params: int = 100, macs: int = 100) -> Trained:
    held = error if valid is None else valid
    return Trained(name, "", params, macs, {"a": held, "b": held}, {"a": error, "b": error})


def outcome(
    seed: int,
    member: float,
    hard: Sequence[tuple[float, float]],
    *,
    single: float = 0.2,
    narrow: tuple[Trained, ...] = (),
) -> Outcome:
    """With errors of the member, of hard sharing at equal params (test and validation), and of single-task networks."""
    return Outcome(
        seed,
        network("member", member, params=50, macs=40),
        tuple(network(f"hard {n}", test, valid=valid, macs=42) for n, (test, valid) in enumerate(hard)),
        network("single equal", 0.3),
        network("hard", 0.15, macs=100),
        network("single", single),
        narrow,
        network("tuned", 0.1 + seed / 1000),
        network("hard tuned", 0.12),
        network("single tuned", 0.18),
    )


def test_the_rival_is_the_one_of_lower_validation_error() -> None:
    two = outcome(0, 0.1, [(0.12, 0.3), (0.18, 0.2)])
    assert two.rival.name == "hard 1"
    assert math.isclose(two.lead(two.rival), 0.5 - 0.1) and two.lead(two.member) == 0
    assert outcome(0, 0.1, []).rival.name == "member"


def test_overlay_bars_hold_for_the_better_member_only() -> None:
    better = [outcome(seed, 0.1 + seed / 1000, [(0.19, 0.1)]) for seed in range(3)]
    share, gain, lead, refined_gain, refined_lead = overlay_bars("data", better)
    # Rivals by validation: tuned single-task networks; hard sharing of equal params, valid 0.1, test 0.19.
    assert refined_gain.holds and math.isclose(refined_gain.value, (0.18 - 0.101) / 0.18)
    assert refined_lead.holds and f"{100 * (0.19 - 0.101) / 0.18:+.2f} points" in refined_lead.name
    assert share.holds and share.value == 0.5
    assert gain.holds and math.isclose(gain.value, 0.495)
    assert lead.holds and lead.value < 0.05 and "+44.50 points, 3 seeds" in lead.name
    worse = [outcome(seed, 0.25 + seed / 1000, [(0.19, 0.1)]) for seed in range(3)]
    share, gain, lead, *_ = overlay_bars("data", worse)
    assert share.holds and not gain.holds and not lead.holds and lead.value < 0.05
    assert not overlay_bars("data", better[:1])[-1].holds


def test_census_bars_ask_for_equal_auc_and_for_the_cheapest_shared_bottom_of_it() -> None:
    # Narrow hard sharing is as good: then the member's cost is not due to its tree.
    lost, share, strict = census_bars("census", [outcome(seed, 0.15, [(0.15, 0.15)]) for seed in range(2)])
    assert lost.holds and share.holds and share.value == 0.4
    assert not strict.holds and math.isclose(strict.value, 40 / 42)
    lost, share, strict = census_bars("census", [outcome(0, 0.15, [(0.2, 0.2)])])
    assert lost.holds and share.holds and strict.holds and strict.value == 0.4
    assert not census_bars("census", [outcome(0, 0.152, [(0.2, 0.2)])])[0].holds
    narrow = (network("hard narrow", 0.15, macs=50), network("hard narrower", 0.2, macs=10))
    strict = census_bars("census", [outcome(0, 0.15, [(0.2, 0.2)], narrow=narrow)])[2]
    assert not strict.holds and math.isclose(strict.value, 40 / 50)


def test_the_table_has_every_network_of_every_seed_and_their_means() -> None:
    outcomes = [outcome(seed, 0.1 + seed / 100, [(0.2, 0.2)]) for seed in range(3)]
    rows = [row for one in outcomes for row in rows_of("data", one)]
    assert len(rows) == 3 * 8 and {row["seed"] for row in rows} == {0, 1, 2}
    means = means_of("data", outcomes)
    assert len(means) == 8 and {row["seed"] for row in means} == {"3 seeds"}
    assert all(row.keys() == rows[0].keys() for row in means)
    hard = next(row for row in means if row["network"] == "hard 0")
    assert hard["test %"] == "20 ± 0" and hard["lead"] == "45 ± 5" and float(hard["p"]) < 0.05


# Parts and the whole ---------------------------------------------------------------------------------------------


def test_a_part_of_the_data_is_its_first_samples(data: Data) -> None:
    part = some(data, 20, 5)
    assert [len(split) for split in (part.train, part.valid)] == [20, 5]  # type: ignore[arg-type]
    assert part.valid[4][0].equal(data.valid[4][0])  # type: ignore[index]
    whole = some(data, 10**6, 10**6)
    assert (whole.train, whole.valid, whole.test) == (data.train, data.valid, data.test)


def test_its_own_options_replace_lengths() -> None:
    parser = argparse.ArgumentParser()
    add_own(parser)
    asked = asked_of(parser.parse_args(["--only", "census", "--alone-epochs", "3"]))
    assert asked == Asked(["census"], {"alone_epochs": 3})
    assert asked.lengths(OVERLAYS) == replace(OVERLAYS, alone_epochs=3)
    assert asked_of(parser.parse_args([])) == Asked(list(DATA), {})
    with pytest.raises(SystemExit):
        parser.parse_args(["--evaluations", "0"])


def test_data_that_is_not_there_is_left_out_with_the_reason(tmp_path: Path) -> None:
    report = measure(Asked(["census"], {}), Options(True, tmp_path, (0,), tmp_path))
    assert not report.rows and not report.bars and "census left out: " in report.about
    assert "there is no census-income.data" in report.about


@needs_data
def test_a_quick_run_is_gone_on_with_without_training_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, options = Asked(["census"], {}), Options(True, DATA_DIR, (0,), tmp_path)
    report = measure(asked, options)
    if not report.rows:
        pytest.skip(report.about.rsplit("\n", 1)[-1])
    assert len(report.bars) == 3 and {row["seed"] for row in report.rows} == {0}
    member = report.rows[0]
    assert member["network"] == "front member" and report.bars[1].holds

    def never(job: Job, *given: object, **named: object) -> None:
        raise AssertionError(f"{job.folder} is trained again")

    monkeypatch.setattr(Job, "work", never)
    assert measure(asked, options) == report
