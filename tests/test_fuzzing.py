"""Damaged and hostile run directories give a sentence or the truth: no crash, no hang, no other result."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_space
from toy_runs import call, contents, refused, search_toy, searched_run, supernet, trained_run

from benchmarks.fuzzing import outcomes
from benchmarks.fuzzing.damages import DAMAGES, Undamaged, damaged_outcome
from benchmarks.fuzzing.hostile import hostile_rows
from benchmarks.fuzzing.outcomes import BAD, outcome
from benchmarks.fuzzing.readers import READERS
from benchmarks.fuzzing.runs import finished_run
from mtnas.architecture import ArchitectureSpace, BlockChoices, CostTable
from mtnas.atomic import write_text
from mtnas.errors import ArchitectureError, MtnasError, RunError, SearchError, brief
from mtnas.exporting import load_network
from mtnas.json_values import DEEPEST, finite, listed, parse_json, read_json, text, truth, whole
from mtnas.latency import Latency
from mtnas.limits import check_number
from mtnas.refining import read_refined
from mtnas.refining.state import TrainingState, weights
from mtnas.results import Results, hypervolume
from mtnas.runs import Run, load_checkpoint, read_predictors, read_results, read_rows, save_checkpoint
from mtnas.runs.latencies import FILE, keep_latencies, read_latencies, with_latencies
from mtnas.training import load_supernetwork

SAMPLE = 30
"""Damages of every file."""

FAST = {
    "manifest.json": ("read_results", "read_predictors"),
    "results.csv": ("read_results",),
    "study.db": ("read_results", "read_predictors"),
    "supernet.safetensors": ("load_supernetwork",),
    "latencies.json": ("read_latencies",),
    "refined": ("read_refined",),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("fuzzing") / "run").path


# A sample of the benchmark ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", DAMAGES)
def test_damage_is_a_sentence_or_makes_no_difference(file: str, finished: Path, tmp_path: Path) -> None:
    run, names = Undamaged.of(finished, tmp_path, FAST[file]), list(DAMAGES[file])
    found = [damaged_outcome(run, file, names[n % len(names)], f"test {n}", pictures=0) for n in range(SAMPLE)]
    assert not [one for one in found if one.kind in BAD]
    kinds = {one.kind for one in found}
    assert kinds == {"same"} if file == "results.csv" else "refused" in kinds


def test_nothing_in_a_run_is_executed(finished: Path, tmp_path: Path) -> None:
    rows = hostile_rows(finished, tmp_path)
    assert {row["reader"] for row in rows} == set(READERS)
    assert not [row for row in rows if row["executed"] or row["refused"]]


def raise_this(error: BaseException) -> Callable[[Path], object]:
    def reader(path: Path) -> object:
        raise error

    return reader


@pytest.mark.parametrize(
    ("reader", "kind"),
    [
        (lambda path: "before", "same"),
        (lambda path: "after", "silent wrong"),
        (lambda path: "before\x1b[2J", "unclear"),
        (lambda path: np.float64(1e308) * 10, "crash"),
        (raise_this(KeyError("groups")), "crash"),
        (raise_this(RunError("RUN is damaged")), "refused"),
        (raise_this(RunError("it is damaged")), "unclear"),
        (raise_this(RunError("RUN is\ndamaged")), "unclear"),
        (raise_this(RunError("RUN is \x1b[2J")), "unclear"),
        (raise_this(RunError("RUN is " + "a" * 1000)), "unclear"),
        (lambda path: time.sleep(5), "hang"),
    ],
)
def test_outcomes_are_told_apart(
    reader: Callable[[Path], object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "LIMIT_S", 0.2)
    monkeypatch.setattr(outcomes, "READERS", {"reader": reader})
    path, before = Path("RUN"), {"reader": repr("before")}
    found = outcome(path, ["reader"], before, lambda: False, draws=False, draws_edits=False)
    assert found.kind == kind


# Values of JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested too deeply"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested too deeply"),
        ('{"a": 1, "a": 1}', "twice"),
        ("9" * 5000, "digits"),
        ("", "line 1"),
    ],
)
def test_odd_json_is_refused(content: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_json(content)


def test_usual_json_is_read() -> None:
    value = [[[1, {"a": None}]], *([0.5] for _ in range(1000))]
    assert parse_json(json.dumps(value)) == value
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "device", "directory"):
        with pytest.raises(OSError, match="not a file"):
            read_json(tmp_path / name)


@pytest.mark.parametrize(
    ("take", "good", "bad"),
    [
        (whole, [0, -3], [True, 0.9, "1", None, [1]]),
        (truth, [True, False], [0, "false", None]),
        (text, ["", "a"], [None, 1, ["a"]]),
        (listed, [[], [1]], [{}, "ab", None]),
        (finite, [0, 0.5, -2], [True, "1", None, float("nan"), float("inf"), 10**400]),
    ],
)
def test_values_are_taken_as_they_are_meant(take: Callable[[Any], Any], good: list[Any], bad: list[Any]) -> None:
    assert [take(value) for value in good] == good
    for value in bad:
        with pytest.raises((TypeError, ValueError)):
            take(value)


def test_a_number_beyond_all_doubles_is_out_of_range() -> None:
    with pytest.raises(SearchError, match="limit must be above 0"):
        check_number(SearchError, "limit", 10**400, above=0)


def test_what_a_sentence_quotes_is_short_and_printable() -> None:
    assert brief("a\x1b[2J\r\n\u202eb\ud800") == "a\\x1b[2J \\u202eb\\ud800"
    assert len(brief("ab" * 10**6)) < 210 and len(brief(10**5000)) < 50


# The manifest ----------------------------------------------------------------------------------------------------


def damage_manifest(run: Run, change: Callable[[dict[str, Any]], object]) -> Run:
    value = json.loads(run.manifest.path.read_text())
    change(value)
    run.manifest.path.write_text(json.dumps(value))
    return run


def set_in(*keys: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to

    return change


COSTS = ("space", "costs")
ARCHITECTURES = ("space", "architectures")

MANIFESTS = {
    "a stem that costs less": set_in(*COSTS, "stem", 0, to=-1),
    "costs that are no numbers": set_in(*COSTS, "stem", to=[float("nan"), 0]),
    "costs as text": set_in(*COSTS, "stem", to=["0", "0"]),
    "a cost too few": set_in(*COSTS, "stem", to=[0]),
    "a block too few": lambda value: value["space"]["costs"]["options"].pop(),
    "an option too few": lambda value: value["space"]["costs"]["options"][0][0].pop(),
    "heads for a shape that nothing has": lambda value: value["space"]["costs"]["heads"].append(
        value["space"]["costs"]["heads"][0]
    ),
    "a head too few": lambda value: value["space"]["costs"]["heads"][0].pop(),
    "a shape that is not there": set_in(*COSTS, "leads_to", 0, 0, 0, to=1),
    "a shape that is a fraction": set_in(*COSTS, "leads_to", 0, 0, 0, to=0.5),
    "other costs": set_in(*COSTS, "stem", to=[1, 0]),
    "branching as text": set_in(*ARCHITECTURES, "blocks", 0, "branching", to="false"),
    "tasks in another order": lambda value: value["space"]["architectures"]["tasks"].reverse(),
    "blocks of other modules": set_in("space", "modules", to=[]),
    "another option that no row has": set_in(*ARCHITECTURES, "blocks", 1, "options", 1, to="broad"),
    "options as text": set_in(*ARCHITECTURES, "blocks", 0, "options", to="pw"),
    "tasks that are numbers": set_in(*ARCHITECTURES, "tasks", to=[1, 2, 3]),
    "a name for the terminal": set_in(*ARCHITECTURES, "tasks", 0, to="\x1b[2J"),
    "a name without end": set_in(*ARCHITECTURES, "blocks", 0, "name", to="a" * 10_000),
    "a name of half a character": set_in(*ARCHITECTURES, "tasks", 0, to="\ud800"),
    "no objectives": set_in("search", "objectives", to=[]),
    "an objective twice": set_in("search", "objectives", to=["params"] * 5),
    "other objectives": set_in("search", "objectives", to=["error/total", "params"]),
    "objectives in another order": lambda value: value["search"]["objectives"].reverse(),
    "objectives as text": set_in("search", "objectives", to="params"),
    "a budget that is no number": set_in("study", "budgets", to={"params": float("nan")}),
    "a budget without end": set_in("study", "budgets", to={"params": float("inf")}),
    "a budget beyond all numbers": set_in("study", "budgets", to={"params": 10**400}),
    "a budget that is true": set_in("study", "budgets", to={"params": True}),
    "budgets as a list": set_in("study", "budgets", to=[["params", 300]]),
    "a reference beyond all numbers": set_in("reference", "params", to=10**400),
    "a reference that lacks an objective": lambda value: value["reference"].pop("params"),
    "a study that is a list": set_in("study", to=["search-0"]),
    "a study without a name": lambda value: value["study"].pop("name"),
    "a study whose name is no text": set_in("study", "name", to=2**70),
    "a study at no address": set_in("study", "storage", to=5),
    "precisions that are no pairs": set_in("search", "precisions", to=[[8], 32]),
    "a target that is no object": set_in("search", "target", to=[]),
}


@pytest.mark.parametrize("change", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_cannot_be_is_a_sentence(change: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    run = damage_manifest(searched_run(tmp_path / "run"), change)
    for read in (read_results, read_rows):
        with pytest.raises(RunError) as caught:
            read(Run(run.path))
        assert str(caught.value).isprintable() and str(run.path) in str(caught.value) and len(str(caught.value)) < 700
    assert str(caught.value) == refused(call("show", run.path))


def test_a_seed_that_is_true_is_none(tmp_path: Path) -> None:
    run = damage_manifest(searched_run(tmp_path / "run"), set_in("run", "seed", to=True))
    with pytest.raises(RunError, match="no seed"):
        Run(run.path)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": 1, "format": 1}', '{"format": ' + "9" * 5000 + "}"])
def test_a_manifest_of_odd_json_is_a_sentence(content: str, tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    run.manifest.path.write_text(content)
    refused(call("show", run.path), "manifest.json is damaged", "restore it")


def test_a_manifest_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    run.manifest.path.unlink()
    os.mkfifo(run.manifest.path)
    refused(call("show", run.path), "manifest.json is damaged", "not a file")


def test_a_space_file_that_is_named_by_where_one_stands_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that came from elsewhere must not choose a file beside the run that came with it."""
    run = searched_run(tmp_path / "run")
    (tmp_path / "mine.py").write_bytes(run.find_space_file().read_bytes())
    monkeypatch.chdir(tmp_path)
    damage_manifest(run, set_in("space_file", "path", to="mine.py"))
    refused(call("search", run.path), "manifest.json is damaged", "not absolute")


def test_a_cost_table_fits_its_space() -> None:
    space = ArchitectureSpace(("a", "b"), (BlockChoices("c", ("x", "y")),))
    good = CostTable.plain((1, 1), (((1, 2), (3, 4)),), ((5, 5), (5, 5)))
    good.check(space)
    for options, heads in (
        ((((1, 2),),), ((5, 5), (5, 5))),
        ((((1, 2), (3,)),), ((5, 5), (5, 5))),
        ((((1, 2), (3, 4)),) * 2, ((5, 5), (5, 5))),
        ((((1, 2), (3, 4)),), ((5, 5),)),
    ):
        with pytest.raises(ArchitectureError, match="cost table"):
            CostTable.plain((1, 1), options, heads).check(space)


# The study -------------------------------------------------------------------------------------------------------


def change_study(run: Run, *statements: str) -> Run:
    with closing(sqlite3.connect(run.study)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return run


def rewrite(run: Run, key: str, change: Callable[[Any], object], trial: int = 5) -> Run:
    """Change a JSON attribute of a trial."""
    table = "trial_system_attributes" if key.startswith("mtnas:") else "trial_user_attributes"
    with closing(sqlite3.connect(run.study)) as connection, connection:
        where = f"FROM {table} WHERE key = ? AND trial_id = ?"
        value = json.loads(connection.execute(f"SELECT value_json {where}", (key, trial)).fetchone()[0])
        value = change(value) or value
        update = f"UPDATE {table} SET value_json = ? WHERE key = ? AND trial_id = ?"
        connection.execute(update, (json.dumps(value), key, trial))
    return run


def set_errors(costs: dict[str, Any], **errors: float) -> None:
    costs.update({f"error/{task}": error for task, error in errors.items()})


ROWS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "params of another architecture": ("costs", set_in("params", to=511)),
    "macs of another architecture": ("costs", set_in("macs", to=457)),
    "an error that is no number": ("costs", set_in("error/total", to=float("nan"))),
    "an error without end": ("costs", set_in("error/total", to=float("inf"))),
    "an error that is true": ("costs", set_in("error/total", to=True)),
    "an error that is not in the mean": ("costs", set_in("error/total", to=0.5)),
    "a mean of other errors": ("costs", set_in("error/mean", to=0.5)),
    "errors beyond all sums": ("costs", lambda costs: set_errors(costs, quadrant=1.7e308, product=1.7e308)),
    "an error too few": ("costs", lambda costs: costs.pop("error/total")),
    "a cost that is not known": ("costs", set_in("\x1b[2J", to=1)),
    "no costs": ("costs", lambda costs: [1]),
    "an option that is not there": ("candidate", set_in("options", 0, 0, to="\x1b[2J")),
    "an option without end": ("candidate", set_in("options", 0, 0, to="a" * 10**6)),
    "a block too few": ("candidate", lambda value: [value["groups"].pop(), value["options"].pop()] and value),
    "a task that is a fraction": ("candidate", set_in("groups", 0, to=[[0.2, 1, 2]])),
    "a task without end": ("candidate", set_in("groups", 0, to=[[float("inf")]])),
    "bits that were not searched": (
        "candidate",
        set_in("policy", to=[{"block": 0, "leader": 0, "weights": 8, "activations": 8}]),
    ),
}


@pytest.mark.parametrize(("key", "change"), ROWS.values(), ids=ROWS)
def test_a_row_that_contradicts_itself_is_a_sentence(key: str, change: Callable[[Any], object], tmp_path: Path) -> None:
    run = rewrite(searched_run(tmp_path / "run"), key, change)
    sentence = refused(call("show", run.path), "study.db is damaged")
    assert sentence.isprintable() and len(sentence) < 700
    refused(call("search", run.path), "study.db is damaged")


def test_errors_that_fit_the_mean_but_not_the_trial_are_refused(tmp_path: Path) -> None:
    def exchange(costs: dict[str, Any]) -> None:
        costs["error/total"], costs["error/product"] = costs["error/product"], costs["error/total"]

    run = rewrite(searched_run(tmp_path / "run"), "costs", exchange)
    refused(call("show", run.path), "row 4: its costs are not the values of its trial")


PARTS_OF_TRIALS = ("trial_user_attributes", "trial_system_attributes", "trial_values", "trial_params")

STUDIES = {
    "all trials gone": (
        [f"DELETE FROM {table}" for table in (*PARTS_OF_TRIALS, "trials")],
        "the corner 'hard sharing, smallest' has no row",
    ),
    "the last trial gone in part": (["DELETE FROM trials WHERE number = 11"], "tells of 'trials' that are gone"),
    "trials of another study": (["UPDATE studies SET study_id = 7"], "tells of 'studies' that are gone"),
    "a gap": (
        [f"DELETE FROM {table} WHERE trial_id = 4" for table in (*PARTS_OF_TRIALS, "trials")],
        "trial 3 is missing",
    ),
    "a number twice": (["UPDATE trials SET number = 3 WHERE number = 4"], "trial 4 is missing, or is there twice"),
    "a number as text": (["UPDATE trials SET number = 'x' WHERE number = 4"], "trial 4"),
    "numbers exchanged": (
        [
            "UPDATE trials SET number = 99 WHERE number = 3",
            "UPDATE trials SET number = 3 WHERE number = 6",
            "UPDATE trials SET number = 6 WHERE number = 99",
        ],
        "in another's place",
    ),
    "a state": (["UPDATE trials SET state = 'LOOP' WHERE number = 4"], "a state that is not known"),
    "a state of others": (["UPDATE trials SET state = 'FAIL' WHERE number = 4"], "FAIL has values"),
    "a lost value": (["DELETE FROM trial_values WHERE trial_id = 4 AND objective = 4"], "not the values of its trial"),
    "a lost value between": (["DELETE FROM trial_values WHERE trial_id = 4 AND objective = 2"], "one finite number"),
    "an endless value": (["UPDATE trial_values SET value_type = 'INF_POS' WHERE trial_id = 4"], "one finite number"),
    "a value as text": (["UPDATE trial_values SET value = 'x' WHERE trial_id = 4"], "a number is needed"),
    "another value": (["UPDATE trial_values SET value = value + 1 WHERE trial_id = 4"], "row 3"),
    "attributes as bytes": (["UPDATE trial_user_attributes SET value_json = x'ff' WHERE trial_id = 4"], "text"),
    "a candidate twice": (
        [
            f"UPDATE {table} SET {column} = (SELECT other.{column} FROM {table} AS other"
            f" WHERE other.trial_id = 4 AND other.{key} = {table}.{key}) WHERE trial_id = 6"
            for table, column, key in (
                ("trial_user_attributes", "value_json", "key"),
                ("trial_values", "value", "objective"),
            )
        ],
        "rows 3 and 5 are of the same candidate",
    ),
    "a view without end": (
        [
            "ALTER TABLE trials RENAME TO kept",
            "CREATE VIEW trials AS WITH RECURSIVE more AS (SELECT * FROM kept UNION ALL SELECT * FROM more)"
            " SELECT * FROM more",
        ],
        "it has 'trials', which a study has not",
    ),
    "a table of an extension": (
        ["DROP TABLE trial_values", "CREATE VIRTUAL TABLE trial_values USING fts3(value)"],
        "it has 'trial_values', which a study has not",
    ),
    "a trigger": (
        ["CREATE TRIGGER wipe AFTER INSERT ON trials BEGIN DELETE FROM trials; END"],
        "it has 'wipe', which a study has not",
    ),
    "a lost table": (["DROP TABLE trial_values"], "no table 'trial_values'"),
}


@pytest.mark.parametrize(("statements", "said"), STUDIES.values(), ids=STUDIES)
def test_a_study_that_contradicts_itself_is_a_sentence(statements: list[str], said: str, tmp_path: Path) -> None:
    run = change_study(searched_run(tmp_path / "run"), *statements)
    begin = time.monotonic()
    refused(call("show", run.path), "study.db is damaged", said)
    refused(call("search", run.path), "study.db is damaged", said)
    assert time.monotonic() - begin < 10


def test_a_file_in_place_of_a_database_is_checked_and_never_made(tmp_path: Path) -> None:
    """A manifest may name any address."""
    run = searched_run(tmp_path / "run")
    whole_rows = read_rows(run)
    other, absent = tmp_path / "other.db", tmp_path / "absent.db"
    other.write_bytes(run.study.read_bytes())
    damage_manifest(run, set_in("study", "storage", to=f"sqlite:///{other}"))
    assert read_rows(run) == whole_rows
    with closing(sqlite3.connect(other)) as connection, connection:
        for statement in STUDIES["a view without end"][0]:
            connection.execute(statement)
    refused(call("show", run.path), "other.db", "which a study has not")
    damage_manifest(run, set_in("study", "storage", to=f"sqlite:///{absent}"))
    refused(call("show", run.path), "absent.db", "not a file")
    assert not absent.exists()


def test_pages_that_refer_to_each_other_are_refused_at_once(tmp_path: Path) -> None:
    """A page of a table that is said to be its own child, many times over, would be read for ever."""
    run = searched_run(tmp_path / "run")
    content = bytearray(run.study.read_bytes())
    with closing(sqlite3.connect(run.study)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trial_params'").fetchone()
    start = (page - 1) * 4096
    cells = 400
    content[start : start + 12] = bytes([5, 0, 0, *cells.to_bytes(2), *(3000).to_bytes(2), 0, *page.to_bytes(4)])
    for cell in range(cells):
        content[start + 12 + 2 * cell : start + 14 + 2 * cell] = (3000).to_bytes(2)
    content[start + 3000 : start + 3005] = bytes([*page.to_bytes(4), 1])
    run.study.write_bytes(content)
    begin = time.monotonic()
    refused(call("show", run.path), "study.db is damaged")
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trial_params SET param_value = 1 - param_value WHERE param_name = 'option/first/quadrant'",
        "UPDATE trial_params SET param_value = 99",
        "UPDATE trial_params SET param_value = 'x'",
        "UPDATE trial_params SET param_value = 9e999 WHERE param_name = 'depth/product'",
        "UPDATE trial_params SET distribution_json = '{}'",
        "DELETE FROM trial_params WHERE param_name = 'option/first/quadrant'",
        "DELETE FROM trial_params",
        "DELETE FROM study_directions WHERE objective = 4",
    ],
)
def test_a_search_does_not_learn_from_parameters_of_other_candidates(statement: str, tmp_path: Path) -> None:
    """Rows are read without the parameters; samplers are not."""
    run = change_study(searched_run(tmp_path / "run"), statement)
    assert len(read_rows(run)) == 12
    before = contents(run.path)
    refused(call("search", run.path, "-n", "14"), "study.db is damaged")
    assert contents(run.path) == before


def test_a_study_of_a_good_run_goes_on(tmp_path: Path) -> None:
    """What is checked holds after rejected, failed and interrupted trials, and other budgets."""
    run = searched_run(tmp_path / "run")
    search_toy(run, 14, {"params": 420.0})
    search_toy(run, 30)
    assert len(read_rows(run)) == 30 and call("show", run.path).code == 0


# Predictors ------------------------------------------------------------------------------------------------------

REPORTS: dict[str, Callable[[Any], object]] = {
    "a tau that is no number": set_in("figures", "0", "tau", to=float("nan")),
    "a tau beyond all": set_in("figures", "0", "tau", to=10**400),
    "a tau of 2": set_in("figures", "0", "tau", to=2),
    "a coverage below 0": set_in("figures", "0", "coverage", to=-1),
    "trust as text": set_in("figures", "0", "trusted", to="no"),
    "a name for the terminal": set_in("figures", "0", "model", to="\x1b[2J"),
    "rows that were not there": set_in("measured", to=5),
    "rows below 0": set_in("measured", to=-1),
    "a budget of nothing": set_in("figures", "\x1b[2J", to={}),
    "figures as a list": set_in("figures", to=[]),
    "a list": lambda value: [[]],
}


@pytest.mark.parametrize("change", REPORTS.values(), ids=REPORTS)
def test_figures_of_predictors_that_cannot_be_are_a_sentence(change: Callable[[Any], object], tmp_path: Path) -> None:
    run = rewrite(searched_run(tmp_path / "run"), "mtnas:predictors", change)
    refused(call("show", run.path), "study.db is damaged")


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    rewrite(run, "mtnas:predictors", set_in("figures", "0", "model", to="[/red] [bold]x"), trial=11)  # the last plan
    shown = call("show", run.path)
    assert shown.code == 0 and "[/red] [bold]x" in shown.out


# Latencies -------------------------------------------------------------------------------------------------------

TARGET = {"runtime": "none", "version": "1", "device": "cpu", "threads": 1}


@pytest.fixture
def measured(tmp_path: Path) -> Run:
    run = searched_run(tmp_path / "run")
    found = {row.candidate: Latency(1.5 + row.number, 0.1, 9, "a clock", False) for row in read_results(run).rows}
    keep_latencies(run, TARGET, 2.0, found)
    assert len(read_latencies(run)) == 12
    return run


LATENCIES: dict[str, Callable[[Any], object]] = {
    "beyond all numbers": set_in("rows", 0, "latency", "ms", to=10**400),
    "as text": set_in("rows", 0, "latency", "ms", to="1"),
    "without end": set_in("rows", 0, "latency", "rounds", to=float("inf")),
    "busy as text": set_in("rows", 0, "latency", "busy", to="no"),
    "a clock that is none": set_in("rows", 0, "latency", "clock", to=None),
    "of another target": set_in("rows", 0, "target", "threads", to=2),
    "of no target": set_in("rows", 0, "target", to=[["runtime", "x"]]),
    "a runtime that is a list": set_in("references", 0, "target", "runtime", to=["none"]),
    "of a network of another space": set_in("rows", 0, "candidate", "options", 0, to=["none"]),
    "twice": lambda value: value["rows"].append(value["rows"][0]),
    "a reference of 0 ms": set_in("references", 0, "ms", to=0),
    "a reference that is no number": set_in("references", 0, "ms", to=float("nan")),
    "rows as an object": set_in("rows", to={}),
}


@pytest.mark.parametrize("change", LATENCIES.values(), ids=LATENCIES)
def test_latencies_that_cannot_be_are_a_sentence(change: Callable[[Any], object], measured: Run) -> None:
    value = json.loads((measured.path / FILE).read_text())
    value = change(value) or value
    (measured.path / FILE).write_text(json.dumps(value))
    refused(call("pick", measured.path, "-b", "latency_ms=9"), f"{FILE} is damaged", "delete it and measure again")


def test_a_file_of_latencies_that_is_none_is_a_sentence(measured: Run) -> None:
    (measured.path / FILE).unlink()
    (measured.path / FILE).mkdir()
    with pytest.raises(RunError, match="delete it and measure again"):
        read_latencies(measured)
    (measured.path / FILE).rmdir()
    assert read_latencies(measured) == ()
    (measured.path / FILE).symlink_to(FILE)
    with pytest.raises(RunError, match="delete it and measure again"):
        read_latencies(measured)


def test_a_target_that_tells_little_can_be_chosen(measured: Run) -> None:
    """One of the user's own may leave out its runtime."""
    row = read_results(measured).rows[0]
    keep_latencies(measured, {"threads": 5}, 1.0, {row.candidate: read_latencies(measured)[0].latency})
    found = with_latencies(read_results(measured), read_latencies(measured), "threads 5")
    assert [one.candidate for one in found.rows] == [row.candidate]


# Refined networks ------------------------------------------------------------------------------------------------

REFINED: dict[str, Callable[[Any], object]] = {
    "trained elsewhere": set_in("how", to="../../elsewhere"),
    "trained in another way": set_in("how", to="from scratch"),
    "another id": set_in("id", to="0123456789"),
    "another candidate": set_in("candidate", "options", 0, to=["none"]),
    "errors of another task": set_in("valid", "\x1b[2J", to=1),
    "errors that are no numbers": set_in("test", "sum", to=float("nan")),
    "errors beyond all sums": set_in("test", to=dict.fromkeys(("sign", "product", "sum"), 1.7e308)),
    "errors as a list": set_in("valid", to=[1, 2, 3]),
    "other errors": set_in("valid", "sum", to=0.001),
    "an epoch that was not": set_in("epoch", to=9),
    "an epoch below 0": set_in("epoch", to=-1),
    "an epoch that is a fraction": set_in("epoch", to=0.5),
    "a better epoch": lambda value: value["history"].append(dict.fromkeys(value["valid"], 0.0)),
    "a history that is a number": set_in("history", to=3),
    "a list": lambda value: [[]],
}


@pytest.mark.parametrize("change", REFINED.values(), ids=REFINED)
def test_a_refined_row_that_cannot_be_is_a_sentence(
    change: Callable[[Any], object], finished: Path, tmp_path: Path
) -> None:
    (path,) = (finished / "refined").glob("*/row.json")
    good = path.read_text()
    try:
        value = json.loads(good)
        value = change(value) or value
        path.write_text(json.dumps(value))
        with pytest.raises(RunError, match=r"row\.json is damaged .*delete its folder to refine") as caught:
            read_refined(Run(finished))
        assert str(caught.value).isprintable()
    finally:
        path.write_text(good)
    assert len(read_refined(Run(finished)).rows) == 1


def test_a_refined_row_that_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    path = run.path / "refined" / "x" / "row.json"
    path.mkdir(parents=True)
    with pytest.raises(RunError, match=r"row\.json is damaged"):
        read_refined(run)
    path.rmdir()
    assert read_refined(run).rows == ()  # it is being trained
    path.symlink_to(path.name)
    with pytest.raises(RunError, match=r"row\.json is damaged"):
        read_refined(run)


# Checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("note", [[], 5, "x", None])
def test_a_note_that_is_no_object_is_a_sentence(note: Any, tmp_path: Path) -> None:
    """With a digest that fits."""
    run = trained_run(tmp_path / "run")
    tensors, _ = load_checkpoint(run.checkpoint)
    run.checkpoint.unlink()
    save_checkpoint(run.checkpoint, tensors, note)
    with pytest.raises(RunError, match="is damaged .*delete it to train again"):
        load_supernetwork(toy_space.space, toy_space.data(None), run, "cpu")


def test_a_checkpoint_that_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("directory", "pipe", "device"):
        with pytest.raises(RunError, match="is damaged .it is not a file"):
            load_checkpoint(tmp_path / name)


def test_weights_without_a_candidate_are_a_sentence(tmp_path: Path) -> None:
    example, _ = toy_space.data(None).example()
    for number, note in enumerate(({}, {"candidate": []}, {"candidate": {"groups": [[[0]]], "options": [["x"]]}})):
        save_checkpoint(tmp_path / str(number) / "network.safetensors", {}, note)
        with pytest.raises(RunError, match="name the one it came from"):
            load_network(tmp_path / str(number), toy_space.space, example)


@pytest.mark.parametrize("part", ["epoch", "best_epoch", "best_errors", "history", "optimizer.x.exp_avg", "model.x"])
def test_a_damaged_checkpoint_of_a_refined_network_is_a_sentence(part: str, tmp_path: Path) -> None:
    network, path = supernet().extract(next(toy_space.space.architectures.architectures())), tmp_path / "c.safetensors"
    optimizer = torch.optim.AdamW(network.parameters())
    TrainingState(1, 1, {"total": 0.5}, weights(network), [{"total": 0.5}]).save(path, network, optimizer, {})
    assert TrainingState.load(path, network, optimizer, {}) is not None
    tensors, note = load_checkpoint(path)
    if "." in part:
        tensors[part] = torch.zeros(1)
    else:
        note[part] = "x"
    save_checkpoint(path, tensors, note)
    with pytest.raises(RunError, match="is damaged .*delete it to begin that training again"):
        TrainingState.load(path, network, optimizer, {})


# Other files -----------------------------------------------------------------------------------------------------


def test_damaged_rows_of_an_earlier_run_are_a_sentence(tmp_path: Path) -> None:
    earlier, run = searched_run(tmp_path / "earlier"), trained_run(tmp_path / "run")
    search_toy(run, 12, warm_start=read_results(earlier))
    path = run.path / "earlier.json"
    good = path.read_text()
    for damaged in (good[:-9], "{}", "[5]", "[" * 100_000, good.replace("plain", "plane")):
        path.write_text(damaged)
        refused(call("search", run.path, "-n", "13"), "earlier.json is damaged", "restore it")


def test_a_directory_where_a_file_is_to_be_written_is_a_sentence(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    (run.path / "trees.png").mkdir()
    run.results.unlink()
    run.results.mkdir()
    refused(call("plot", run.path), "trees.png is a directory", "move it away")
    refused(call("search", run.path), "results.csv is a directory", "move it away")
    write_text(tmp_path / "file", "")
    assert (tmp_path / "file").exists()


def test_a_lock_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    (run.path / ".lock").unlink()
    (tmp_path / "precious").write_text("text")
    (run.path / ".lock").symlink_to(tmp_path / "precious")
    refused(call("search", run.path), ".lock is no file", "delete it")
    assert (tmp_path / "precious").read_text() == "text"


def test_a_directory_that_looks_half_written_is_left_alone(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    (run.path / ".x.tmp").mkdir()
    assert call("search", run.path).code == 0 and (run.path / ".x.tmp").is_dir()


def test_rows_of_which_some_lack_a_cost_are_told_so(tmp_path: Path) -> None:
    """A budget on the size that came and went leaves rows with it and rows without."""
    found = read_results(searched_run(tmp_path / "run"))
    first, *others = found.rows
    with_size = type(first)(first.number, first.candidate, {**first.costs, "size_kib": 1.0})
    mixed = Results(found.space, found.cost_table, found.objectives, {}, found.reference, (with_size, *others))
    with pytest.raises(SearchError, match="there is no cost 'size_kib'"):
        mixed.values("size_kib")


def test_a_reference_point_near_zero_has_no_volume_and_warns_of_nothing() -> None:
    with np.errstate(over="raise"):
        assert hypervolume(np.array([[1e300, 1.0]]), np.array([1e-300, 2.0])) == 0.0


def test_errors_are_of_one_family_whatever_is_read(tmp_path: Path) -> None:
    """Seeded noise in place of every file at once."""
    rng = random.Random(0)
    run = searched_run(tmp_path / "run")
    for path in run.path.iterdir():
        path.write_bytes(rng.randbytes(500))
    for read in (read_results, read_rows, read_predictors, read_latencies, read_refined):
        with pytest.raises(MtnasError):
            read(Run(run.path))
