"""A search ends when it was told to: at the first evaluation where a rule holds, and never later than asked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_space
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from toy_runs import TOY_FILE, call, refused, supernet, trained_run

from mtnas.architecture import Architecture
from mtnas.errors import SearchError
from mtnas.evaluation import InheritedErrors
from mtnas.pools import InProcess, Make, Workers
from mtnas.results import Results, RunningHypervolume, hypervolume, non_dominated, running_hypervolume
from mtnas.results.front import exclusive_volume
from mtnas.runs import Run, read_results
from mtnas.searching import Plateau, SearchProgress, SearchSettings, StopRule, TimeLimit, search
from mtnas.searching.stopping import watch

MOST = 30
"""Evaluations of the searches here that no rule ends."""

BUDGETS = {"params": 700.0}


def search_until(
    run: Run,
    rules: Sequence[StopRule],
    evaluations: int = MOST,
    budgets: dict[str, float] | None = None,
    *,
    show: bool = False,
) -> Results:
    settings = replace(
        toy_space.searching, evaluations=evaluations, budgets=BUDGETS if budgets is None else budgets, stop_when=rules
    )
    return search(toy_space.space, toy_space.data(None), run, settings, supernet=supernet(), show_progress=show)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What a search without rules measures; one with rules measures the first of these rows."""
    return search_until(trained_run(tmp_path_factory.mktemp("whole") / "run"), ())


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Architecture]:
    """Every architecture that is measured."""
    found: list[Architecture] = []
    original = InheritedErrors.__call__

    def judge(self: InheritedErrors, architecture: Architecture) -> dict[str, float]:
        found.append(architecture)
        return original(self, architecture)

    monkeypatch.setattr(InheritedErrors, "__call__", judge)
    return found


# Hypervolume -----------------------------------------------------------------------------------------------------

# Few different values, so that points often agree in some or all costs; some are outside the box.
costs = st.one_of(st.integers(0, 6).map(lambda value: value / 5), st.floats(0, 1.5))
clouds = st.integers(1, 5).flatmap(
    lambda width: hnp.arrays(np.float64, st.tuples(st.integers(1, 14), st.just(width)), elements=costs)
)


@given(points=clouds, scale=st.sampled_from([1.0, 0.3, 5000.0]))
def test_the_running_hypervolume_is_that_of_all_points_so_far(points: NDArray[np.float64], scale: float) -> None:
    reference = np.full(points.shape[1], scale)
    running = RunningHypervolume(reference)
    values = [running.add(point) for point in points * scale]
    assert values == pytest.approx(
        [hypervolume(points[: end + 1] * scale, reference) for end in range(len(points))], abs=1e-12
    )
    assert values == sorted(values)


def test_points_that_are_dominated_or_outside_the_box_cost_no_hypervolume(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counted(point: NDArray[np.float64], others: NDArray[np.float64], number: int) -> float:
        nonlocal calls
        calls += 1
        return exclusive_volume(point, others, number)

    monkeypatch.setattr(running_hypervolume, "exclusive_volume", counted)
    points = np.random.default_rng(0).random((300, 3)) * 1.2
    new = [end for end in range(len(points)) if (points[end] < 1).all() and non_dominated(points[: end + 1])[end]]
    running = RunningHypervolume(np.ones(3))
    for point in points:
        running.add(point)
    assert calls == len(new) < 100


# Rules by themselves ---------------------------------------------------------------------------------------------


def levelled_off(values: Sequence[float], back: int, gain: float) -> bool:
    """The plateau rule, spelled out."""
    if len(values) <= back or values[len(values) - 1 - back] == 0:
        return False
    before, now = values[len(values) - 1 - back], values[-1]
    return (now - before) / before < gain


@given(
    st.lists(st.sampled_from([0.0, 0.0, 1 / 512, 1 / 64, 1 / 8]), min_size=1, max_size=30),
    st.integers(1, 8),
    st.sampled_from([0.001, 0.02, 0.3]),
)
def test_a_plateau_is_where_the_hypervolume_hardly_grew(steps: list[float], back: int, gain: float) -> None:
    values = np.cumsum(steps).tolist()
    said = Plateau(back, gain).reason(SearchProgress(len(values), values, 0.0))
    assert (said is not None) == levelled_off(values, back, gain)
    assert said is None or f"over the last {back} evaluations" in said


def test_a_hypervolume_that_is_not_known_is_no_plateau() -> None:
    assert Plateau(3).reason(SearchProgress(9, (math.nan,) * 9, 0.0)) is None


@given(st.floats(0.001, 1e4), st.floats(0, 1e6))
def test_a_time_limit_is_in_minutes(minutes: float, seconds: float) -> None:
    assert (TimeLimit(minutes).reason(SearchProgress(1, (0.0,), seconds)) is None) == (seconds < minutes * 60)


# Searches --------------------------------------------------------------------------------------------------------


def first_end(results: Results, rule: Plateau) -> int:
    """After how many rows of a search without rules the plateau rule holds first, by brute force."""
    reference_known = len(results.corners)
    for count in range(reference_known, len(results.rows)):
        values = [results.hypervolume(first) for first in range(1, count + 1)]
        if levelled_off(values, rule.evaluations, rule.gain):
            return count
    return len(results.rows)


PLATEAUS = [Plateau(3, 0.02), Plateau(5, 0.01), Plateau(8, 0.05), Plateau(2, 0.001), Plateau(29, 1.0), Plateau(30)]


def test_the_plateaus_that_are_tested_differ(whole: Results) -> None:
    """They end a search early, in the middle and not at all; otherwise they would test nothing."""
    ends = {first_end(whole, rule) for rule in PLATEAUS}
    assert len(ends) >= 3 and min(ends) < 10 and max(ends) == MOST


@pytest.mark.parametrize("rule", PLATEAUS)
def test_a_search_ends_at_the_first_evaluation_where_it_levelled_off(
    rule: Plateau, whole: Results, tmp_path: Path
) -> None:
    results = search_until(trained_run(tmp_path / "run"), (rule,))
    assert len(results.rows) == first_end(whole, rule)
    assert results.rows == whole.rows[: len(results.rows)]


def test_a_search_that_levelled_off_ends_at_once_when_called_again(
    whole: Results, tmp_path: Path, judged: list[Architecture], capsys: pytest.CaptureFixture[str]
) -> None:
    run, rule = trained_run(tmp_path / "run"), Plateau(5, 0.01)
    end = first_end(whole, rule)
    assert 5 < end < MOST
    first = search_until(run, (rule,), show=True)
    said = [line for line in capsys.readouterr().err.splitlines() if "ended" in line]
    assert len(judged) == end and len(said) == 1
    assert said[0].startswith(f"search ended after {end} evaluations: the hypervolume grew by")
    again = search_until(Run(run.path), (rule,), 2 * MOST, show=True)
    assert len(judged) == end and again.rows == first.rows
    assert [line for line in capsys.readouterr().err.splitlines() if "ended" in line] == said
    # Without the rule it goes on as if it had never been there.
    assert search_until(run, ()).rows == whole.rows


@pytest.mark.parametrize("parts", [(1, 3, 7), (6,)])
def test_a_search_in_parts_ends_where_one_at_once_does(parts: tuple[int, ...], whole: Results, tmp_path: Path) -> None:
    run, rule = trained_run(tmp_path / "run"), Plateau(5, 0.01)
    for evaluations in (*parts, MOST):
        results = search_until(run, (rule,), evaluations)
        assert len(results.rows) == min(evaluations, first_end(whole, rule))


def test_other_budgets_are_followed_anew(tmp_path: Path) -> None:
    """What is within the budgets counts, also of rows that were measured under others."""
    run, budgets = trained_run(tmp_path / "run"), {"params": 420.0}
    search_until(run, (), 12, {})
    seen = Noting()
    results = search_until(run, (seen,), 20, budgets)
    last = seen.seen[-1]
    assert last.hypervolume == pytest.approx([results.hypervolume(n) for n in range(1, last.evaluations + 1)])


@pytest.mark.parametrize("evaluations", [1, 4, 9])
def test_the_number_of_evaluations_is_kept(evaluations: int, tmp_path: Path, judged: list[Architecture]) -> None:
    rules = (Plateau(evaluations), TimeLimit(60), Noting())
    assert len(search_until(trained_run(tmp_path / "run"), rules, evaluations).rows) == evaluations == len(judged)


@pytest.mark.parametrize("minutes", [2, 3.5, 11])
def test_a_time_limit_ends_each_call(
    minutes: float, tmp_path: Path, judged: list[Architecture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of which every evaluation takes a minute."""

    class Clock:
        monotonic = staticmethod(lambda: 1e5 + 60.0 * len(judged))

    monkeypatch.setattr(watch, "time", Clock)
    run = trained_run(tmp_path / "run")
    for call_number in (1, 2):
        search_until(run, (TimeLimit(minutes),))
        assert len(judged) == call_number * math.ceil(minutes)


def test_the_start_of_workers_is_not_counted(
    tmp_path: Path, judged: list[Architecture], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []

    class Clock:
        monotonic = staticmethod(lambda: 3600.0 * len(started) + 60.0 * len(judged))

    class Slow(InProcess):
        def open(self, roles: Mapping[str, Make]) -> Workers:
            started.append(True)
            return super().open(roles)

    monkeypatch.setattr(watch, "time", Clock)
    run, settings = trained_run(tmp_path / "run"), replace(toy_space.searching, stop_when=(TimeLimit(6),))
    results = search(
        toy_space.space, toy_space.data(None), run, settings, supernet=supernet(), pool=Slow(), show_progress=False
    )
    assert len(results.rows) == 6


# A rule of one's own ---------------------------------------------------------------------------------------------


@dataclass
class Noting(StopRule):
    """Notes what it is told, and ends the search after some evaluations."""

    end: float = math.inf
    words: str = "enough"
    seen: list[SearchProgress] = field(default_factory=list)

    def reason(self, progress: SearchProgress) -> str | None:
        self.seen.append(progress)
        return self.words if progress.evaluations >= self.end else None


def test_a_rule_of_ones_own_is_told_everything_and_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = Noting(), Noting(11, "first"), Noting(11, "second")
    results = search_until(trained_run(tmp_path / "run"), rules, show=True)
    assert len(results.rows) == 11
    assert "search ended after 11 evaluations: first\n" in capsys.readouterr().err
    seen = rules[0].seen
    assert [progress.evaluations for progress in seen] == list(range(1, 12))
    assert [progress.seconds for progress in seen] == sorted(progress.seconds for progress in seen)
    corners = len(results.corners)
    for progress in seen:
        assert len(progress.hypervolume) == progress.evaluations
        if progress.evaluations < corners:
            assert all(math.isnan(value) for value in progress.hypervolume)
        else:
            expected = [results.hypervolume(first) for first in range(1, progress.evaluations + 1)]
            assert list(progress.hypervolume) == pytest.approx(expected, abs=1e-12)


def test_a_search_that_shows_nothing_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    search_until(trained_run(tmp_path / "run"), (Noting(5),))
    assert capfd.readouterr() == ("", "")


# What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Plateau(0), "evaluations of Plateau must be at least 1, but is 0"),
        (lambda: Plateau(2.5), "evaluations of Plateau must be a whole number, but is 2.5"),
        (lambda: Plateau(gain=0), "gain of Plateau must be above 0, but is 0"),
        (lambda: Plateau(gain=float("nan")), "gain of Plateau must be above 0, but is nan"),
        (lambda: TimeLimit(0), "minutes of TimeLimit must be above 0, but is 0"),
        (lambda: TimeLimit(float("inf")), "minutes of TimeLimit must be above 0, but is inf"),
        (lambda: SearchSettings(stop_when=Plateau(7)), "stop_when must be a tuple, but is Plateau(evaluations=7"),
        (lambda: SearchSettings(stop_when=(Plateau,)), "stop_when must hold instances of StopRule, but holds <class"),
        (lambda: SearchSettings(stop_when=[50]), "stop_when must hold instances of StopRule, but holds 50; give"),
    ],
)
def test_rules_that_make_no_sense_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(SearchError) as caught:
        make()
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


# The command -----------------------------------------------------------------------------------------------------


def ended(err: str) -> int | None:
    """After how many evaluations the command says that a rule ended the search."""
    found = re.search(r"^search ended after (\d+) evaluations: ", err, re.MULTILINE)
    return None if found is None else int(found[1])


@pytest.fixture(scope="module")
def with_rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy file with rules of its own."""
    path = tmp_path_factory.mktemp("file") / "with_rules.py"
    text = TOY_FILE.read_text()
    rules = "stop_when=(Plateau(3, 0.02), TimeLimit(60)))"
    path.write_text(
        text.replace("import SearchSettings", "import Plateau, SearchSettings, TimeLimit").replace(
            "searching = SearchSettings(evaluations=12, startup=4, threads=1)",
            f"searching = SearchSettings(evaluations=12, startup=4, threads=1, {rules}",
        )
    )
    assert rules in path.read_text()
    return path


def test_options_end_a_search(whole: Results, tmp_path: Path) -> None:
    path = trained_run(tmp_path / "run").path
    end = first_end(whole, Plateau(7))
    words = ["search", path, "-n", str(MOST), "-b", "params=700"]
    outcome = call(*words, "--time-limit", "1e-9")
    assert outcome.code == 0 and ended(outcome.err) == 1 == len(read_results(Run(path)).rows)
    assert "the time limit of 1e-09 minutes is over" in outcome.err
    outcome = call(*words, "--time-limit", "0", "--plateau", "7")
    assert outcome.code == 0 and len(read_results(Run(path)).rows) == end
    assert ended(outcome.err) == (end if end < MOST else None)


def test_options_replace_rules_of_the_space_file(whole: Results, with_rules: Path, tmp_path: Path) -> None:
    path = trained_run(tmp_path / "run").path
    words = ["search", path, "--space", with_rules, "-n", str(MOST), "-b", "params=700"]
    for more, rule in (
        ([], Plateau(3, 0.02)),
        (["--time-limit", "30"], Plateau(3, 0.02)),
        (["--plateau", "5"], Plateau(5, 0.02)),  # the file's gain stays
        (["--plateau", "5", "--time-limit", "0"], Plateau(5, 0.02)),
        (["--plateau", "0"], Plateau(MOST)),
    ):
        outcome = call(*words, *more)
        end = first_end(whole, rule)
        assert outcome.code == 0 and len(read_results(Run(path)).rows) == end
        assert ended(outcome.err) == (end if end < MOST else None)


def test_run_takes_the_options_too(tmp_path: Path) -> None:
    path = tmp_path / "run"
    words = ["run", TOY_FILE, "--run", path, "--epochs", "1", "-n", "6"]
    outcome = call(*words, "--time-limit", "1e-9", "--plateau", "3")
    assert outcome.code == 0 and ended(outcome.err) == 1 == len(read_results(Run(path)).rows)
    outcome = call(*words)
    assert outcome.code == 0 and ended(outcome.err) is None and len(read_results(Run(path)).rows) == 6


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = trained_run(tmp_path / "run").path
    for words in (["--time-limit", "-1"], ["--plateau", "-1"], ["--plateau", "2.5"], ["--time-limit", "soon"]):
        assert call("search", path, *words).code == 2
    refused(call("search", path, "--time-limit", "inf"), "minutes of TimeLimit", "inf")
