"""What predictors were worth is read from a run as Optuna reads it, printed and drawn."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState
from toy_runs import call, contents, search_toy, searched_run, trained_run

from mtnas import plot_predictors, read_predictors
from mtnas.errors import RunError
from mtnas.plotting import label
from mtnas.predicting import PlanSettings
from mtnas.results import PredictorFigures, PredictorReport
from mtnas.runs import Run
from mtnas.searching import NSGA2, PredictorSampler
from mtnas.searching.predictor_sampler import PREDICTORS

EVALUATIONS = 40
BUDGETED = "error/product"


def trials_of(run: Run) -> list[FrozenTrial]:
    study = optuna.load_study(study_name=run.manifest.section("study")["name"], storage=f"sqlite:///{run.study}")
    return study.trials


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A search with predictors of the errors and of a budget, in one go."""
    made = trained_run(tmp_path_factory.mktemp("reports") / "run")
    search_toy(made, EVALUATIONS, {BUDGETED: 1.13})
    return made


def figures(tau: float, *, mape: float = 5.0, trusted: bool = True) -> PredictorFigures:
    return PredictorFigures("a model", 20, tau, mape, 0.875, trusted)


def test_a_thorough_search_plans_every_candidate(tmp_path: Path) -> None:
    """By the option, and as the space file says without it."""
    swift, thorough = (trained_run(tmp_path / name) for name in ("swift", "thorough"))
    assert (
        call("search", swift.path, "-n", "14").code == call("search", thorough.path, "-n", "14", "--thorough").code == 0
    )
    planned = [[report.measured for report in read_predictors(made)] for made in (swift, thorough)]
    assert planned[1] == list(range(planned[1][0], 14))
    assert 0 < len(planned[0]) < len(planned[1])
    # Going on without the option is swift again.
    assert call("search", thorough.path, "-n", "24").code == 0
    assert len(read_predictors(thorough)) < len(planned[1]) + 10


# Reading ---------------------------------------------------------------------------------------------------------


def test_reports_are_those_that_optuna_reads(run: Run) -> None:
    objectives = run.manifest.section("search")["objectives"]
    trials = trials_of(run)
    expected = [(trial, trial.system_attrs[PREDICTORS]) for trial in trials if PREDICTORS in trial.system_attrs]
    reports = read_predictors(run)
    assert len(reports) == len(expected) >= 3
    for report, (trial, stored) in zip(reports, expected, strict=True):
        # In one process a batch is planned when its first trial is asked for.
        assert report.measured == sum(t.state == TrialState.COMPLETE for t in trials[: trial.number])
        assert report.note == stored["note"]
        names = {str(number): name for number, name in enumerate(objectives)} | {BUDGETED: f"budget {BUDGETED}"}
        assert list(report.figures) == [names[cost] for cost in stored["figures"]]
        for cost, found in stored["figures"].items():
            wanted = {name: value for name, value in found.items() if name != "width"}
            assert vars(report.figures[names[cost]]) == wanted
    # Parameters and multiply-accumulates are objectives that are computed.
    assert set(reports[-1].figures) == {f"error/{task}" for task in ("quadrant", "product", "total")} | {
        f"budget {BUDGETED}"
    }


def test_a_search_that_was_stopped_tells_the_same_as_one_that_was_not(run: Run, tmp_path: Path) -> None:
    """Sooner or later each process plans a batch anew that an earlier one had begun."""
    stopped = trained_run(tmp_path / "run")
    for evaluations in (9, 11, 30, EVALUATIONS):
        search_toy(stopped, evaluations, {BUDGETED: 1.13})
    planned = sum(PREDICTORS in trial.system_attrs for trial in trials_of(stopped))
    assert read_predictors(stopped) == read_predictors(run) and planned > len(read_predictors(run))


def test_reports_of_the_study_in_use_are_read_without_those_that_new_budgets_made_obsolete(
    run: Run, tmp_path: Path
) -> None:
    changed = trained_run(tmp_path / "run")
    search_toy(changed, 20, {BUDGETED: 1.13})
    search_toy(changed, 32, {"error/total": 1.05})
    with closing(sqlite3.connect(changed.study)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM studies").fetchone()[0] == 2
    reports = read_predictors(changed)
    measured = [report.measured for report in reports]
    assert measured == sorted(set(measured)) and measured[-1] > 20
    assert f"budget {BUDGETED}" in reports[0].figures and reports[0] == read_predictors(run)[0]
    assert "budget error/total" in reports[-1].figures and f"budget {BUDGETED}" not in reports[-1].figures


def test_a_report_that_does_not_tell_its_rows_is_that_of_the_rows_before_its_trial(run: Run, tmp_path: Path) -> None:
    older = searched_run(tmp_path / "run")
    expected = read_predictors(older)
    rewrite(older, lambda stored: {name: value for name, value in stored.items() if name != "measured"})
    assert read_predictors(older) == expected and [report.measured for report in expected] == [4, 7, 10]


def test_runs_without_predictors_have_no_reports(tmp_path: Path) -> None:
    trained = trained_run(tmp_path / "trained")
    assert read_predictors(trained) == ()
    search_toy(trained, 4)  # these are chosen before there is anything to fit
    assert read_predictors(trained) == ()


def test_reading_writes_nothing_and_loads_no_library_that_trains_or_searches(run: Run) -> None:
    before = contents(run.path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom mtnas import Run, read_predictors\n"
        f"assert read_predictors(Run(Path({str(run.path)!r})))\n"
        "heavy = {'torch', 'optuna', 'sqlalchemy', 'pandas', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(run.path) == before


def rewrite(run: Run, change: Any) -> None:
    """Replace every report of a run's study."""
    with closing(sqlite3.connect(run.study)) as connection, connection:
        where = "FROM trial_system_attributes WHERE key = ?"
        for key, text in connection.execute(f"SELECT trial_id, value_json {where}", (PREDICTORS,)).fetchall():
            connection.execute(
                "UPDATE trial_system_attributes SET value_json = ? WHERE key = ? AND trial_id = ?",
                (json.dumps(change(json.loads(text))), PREDICTORS, key),
            )


@pytest.mark.parametrize("damaged", [[], 5, "text", {}, {"figures": 3, "note": ""}, {"figures": {"0": {}}, "note": ""}])
def test_a_damaged_report_is_a_sentence(damaged: Any, tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    rewrite(run, lambda _: damaged)
    with pytest.raises(RunError, match=r"study .* is damaged"):
        read_predictors(run)


def test_a_report_of_an_objective_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    rewrite(run, lambda stored: {**stored, "figures": {"9": stored["figures"]["0"]}})
    with pytest.raises(RunError, match="damaged"):
        read_predictors(run)


# Printing --------------------------------------------------------------------------------------------------------


def test_show_prints_the_latest_figures(run: Run) -> None:
    shown = call("show", run.path)
    latest = read_predictors(run)[-1]
    assert shown.code == 0 and f"Predictors after {latest.measured} rows, on held-out rows" in shown.out
    lines = shown.out.partition("Predictors after")[2].splitlines()
    for cost, found in latest.figures.items():
        cells = next(cells for line in lines if (cells := [cell.strip() for cell in line.split("│")])[1:2] == [cost])
        mape = "-" if cost.startswith("budget ") else f"{found.mape:.1f}"
        trusted = "trusted" if found.trusted else "not trusted"
        assert cells[2:8] == [
            found.model,
            str(found.rows),
            f"{found.tau:.2f}",
            mape,
            f"{100 * found.coverage:.0f}",
            trusted,
        ]
    assert shown.out.count("Predictors after") == 1 and "without predictors" not in shown.out


def test_a_search_prints_them_and_how_many_batches_went_without(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    unreachable = PlanSettings(least_tau=3)
    search_toy(run, 24, sampler=PredictorSampler(seed=0, startup=6, settings=unreachable))
    outcome = call("search", run.path, "-n", "24")
    count = len(read_predictors(run))
    assert count > 1 and all(report.note for report in read_predictors(run))
    assert f"{count} of {count} batches were planned without predictors" in outcome.out
    assert "not trusted" in outcome.out and "│ trusted" not in outcome.out


def test_nothing_is_printed_or_drawn_of_a_search_by_another_sampler(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    search_toy(run, 16, sampler=NSGA2(seed=0))
    assert read_predictors(run) == ()
    outcome = call("show", run.path)
    assert outcome.code == 0 and "redictors" not in outcome.out
    assert "predictors.png" not in call("plot", run.path).out and not (run.path / "predictors.png").exists()


# Drawing ---------------------------------------------------------------------------------------------------------


def test_plot_draws_predictors_beside_the_front(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    outcome = call("plot", run.path)
    picture = run.path / "predictors.png"
    assert outcome.code == 0 and f"wrote {picture}" in outcome.out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_every_cost_has_a_line_of_its_taus(run: Run) -> None:
    reports = read_predictors(run)
    ax = plot_predictors(reports, given := Figure().add_subplot())
    assert ax is given and ax.get_xlabel() and ax.get_ylabel()
    lines = {str(line.get_label()): line for line in ax.lines}
    names = {cost: label(cost) for cost in reports[-1].figures if cost.startswith("error/")}
    names[f"budget {BUDGETED}"] = f"budget of {label(BUDGETED)}"
    for cost, name in names.items():
        expected = [(report.measured, report.figures[cost].tau) for report in reports]
        np.testing.assert_array_equal(lines[name].get_xydata(), expected)
    assert len({lines[name].get_color() for name in names.values()}) == len(names) == 4
    assert set(names.values()) <= {text.get_text() for text in ax.get_legend().get_texts()}


def test_dots_of_predictors_that_were_not_trusted_are_hollow() -> None:
    reports = [
        PredictorReport(10, {"params": figures(-0.4, trusted=False)}, "nothing was trusted"),
        PredictorReport(20, {"params": figures(0.5), "latency_ms": figures(0.7)}, ""),
        PredictorReport(30, {"params": figures(0.05, trusted=False), "latency_ms": figures(1.0)}, ""),
    ]
    ax = plot_predictors(reports)
    hollow = [tuple(p) for line in ax.lines if line.get_markerfacecolor() == "white" for p in line.get_xydata()]
    assert hollow == [(10, -0.4), (30, 0.05)]
    low, high = ax.get_ylim()
    assert low < -0.4 and high > 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["parameters", "latency (ms)", "not trusted"]


def test_no_reports_are_said() -> None:
    ax = plot_predictors([])
    assert [text.get_text() for text in ax.texts] == ["no batch was planned with predictors"] and not ax.lines
