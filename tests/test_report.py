"""The report: it says what the run holds, asks nobody for anything, and works in a browser."""

from __future__ import annotations

import json
import random
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_results import make_results
from toy_runs import Outcome, call, searched_run, trained_run
from toys import plain_space, plain_table

from mtnas.architecture import FLOAT, INT8, Candidate, QuantizationPolicy
from mtnas.errors import RunError
from mtnas.reporting import write_report
from mtnas.reporting.contents import contents, measured
from mtnas.reporting.report import page_of
from mtnas.results import Results, Row, corners, mean_error
from mtnas.runs import Run, read_results
from mtnas.searching.foresight import foreseen

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def needs_browser(test: Callable[..., None]) -> Any:
    """Opening pages takes long on a busy machine."""
    reason = "needs Chromium and its chromedriver"
    return pytest.mark.long(pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=reason)(test))


class Elements(HTMLParser):
    """Start tags of a page, and the text of its scripts by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = dict(attrs).get("id") or "" if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.scripts[self._open] = self.scripts.get(self._open, "") + data


def many(tasks: int, count: int, seed: int = 0) -> Results:
    """Results of made-up networks."""
    space = plain_space((True, True, True), (3, 1, 2), tasks)
    table, rng = plain_table(space), np.random.default_rng(seed)
    drawn, rows = random.Random(seed), []
    for number in range(count):
        architecture = space.draw(drawn)
        errors = {f"error/{task}": float(rng.random()) for task in space.tasks}
        costs = {**errors, "error/mean": mean_error(errors), **table.of(space, architecture)}
        rows.append(Row(number, Candidate(architecture), costs))
    reference = {"error/mean": 1.0, "params": 1000.0}
    return Results(space, table, ("error/mean", "params"), {"params": 60}, reference, tuple(rows))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return searched_run(tmp_path_factory.mktemp("report") / "run")


def with_results(run: Run, results: Results) -> dict[str, Any]:
    """A report of the run's training with other results."""
    training = {"history": [], "phases": None, "branching": None}
    return {**contents(run), **measured(results), "foreseen": [], "predictors": [], "training": training, "refined": []}


# What it says ----------------------------------------------------------------------------------------------------


def test_it_says_what_was_measured(run: Run) -> None:
    run.note_command("mtnas run toy.py")
    results, told = read_results(run), contents(run)
    rows = told["rows"]
    assert rows["id"] == [row.id for row in results.rows] and rows["front"] == results.on_front.tolist()
    for name in results.objectives:
        assert rows["values"][name] == results.values(name).tolist()
    curve = told["hypervolume"]
    assert curve == [pytest.approx(results.hypervolume(count)) for count in range(1, len(curve) + 1)]
    assert told["about"]["commands"][-1] == "mtnas run toy.py" and told["about"]["seed"] == run.seed
    assert [entry["epoch"] for entry in told["training"]["history"]] == [1, 2, 3]
    assert all(budget["trees"] for budget in told["training"]["branching"]["budgets"])


def test_nodes_are_those_of_the_candidates() -> None:
    results = make_results(seed=3)
    told = measured(results)["rows"]
    for row, leaders, options in zip(results.rows, told["leaders"], told["options"], strict=True):
        architecture = row.candidate.architecture
        assert leaders == architecture.tree.leaders
        names = [
            [block.options[option] for option in chosen]
            for block, chosen in zip(results.space.blocks, options, strict=True)
        ]
        assert [tuple(one) for one in names] == list(architecture.options)


def test_gains_are_over_the_largest_single_task_networks() -> None:
    results = make_results(seed=1)
    base = results.corner_rows()["single-task, largest"]
    gains = measured(results)["gains"]
    assert gains[results.rows.index(base)] == pytest.approx(0)
    for row, gain in zip(results.rows, gains, strict=True):
        better = all(row.costs[f"error/{task}"] < base.costs[f"error/{task}"] for task in results.space.tasks)
        assert not better or gain > 0


@pytest.mark.parametrize("copies", [None, 2])
def test_gains_of_a_space_with_one_option_a_block_and_with_few_copies(copies: int | None) -> None:
    """Its corners have other names."""
    space = replace(plain_space((True, True), (1, 1)), copies=copies)
    table = plain_table(space)
    costs = {f"error/{task}": 0.5 for task in space.tasks}
    rows = tuple(Row(number, Candidate(one), costs) for number, one in enumerate(corners(space, table).values()))
    assert measured(Results(space, table, ("error/a",), {}, {}, rows))["gains"] == [0, 0]


def test_a_run_without_results_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no results yet"):
        write_report(trained_run(tmp_path / "run"))


# Predicted and measured ------------------------------------------------------------------------------------------


def test_later_rows_are_foreseen_by_the_first_alone() -> None:
    results = many(3, 60)
    results = replace(results, objectives=("error/a", "params"))
    (found,) = foreseen(results)
    assert found.cost == "error/a" and found.known == 36 and found.rows == tuple(range(36, 60))
    assert list(found.measured) == [row.costs["error/a"] for row in results.rows[36:]]
    assert all(low <= mean <= high for low, mean, high in zip(found.low, found.predicted, found.high, strict=True))
    later = [replace(row, costs={**row.costs, "error/a": 0.5}) for row in results.rows[36:]]
    (other,) = foreseen(replace(results, rows=(*results.rows[:36], *later)))
    assert other.predicted == found.predicted and other.measured != found.measured


def test_rows_with_bits_are_foreseen_by_what_the_bits_do() -> None:
    results, rng = many(3, 60), random.Random(1)
    rows = []
    for row in results.rows:
        nodes = [(block, group[0]) for block, group in row.candidate.architecture.tree.nodes()]
        policy = QuantizationPolicy.of({node: rng.choice([FLOAT, INT8]) for node in nodes})
        lost = sum(policy.bits(block, 0) == INT8 for block in range(3)) / 10  # on the path of the first task
        rows.append(replace(row, candidate=Candidate(row.candidate.architecture, policy), costs={
            **row.costs, "error/a": 0.1 + lost, "size_kib": 1.0}))  # fmt: skip
    found = foreseen(replace(results, rows=tuple(rows), objectives=("error/a", "size_kib"), budgets={}))
    assert [one.cost for one in found] == ["error/a"]  # a size is computed
    assert found[0].tau > 0.8


def test_too_few_rows_foresee_nothing() -> None:
    assert foreseen(many(3, 40)) == []


# The page --------------------------------------------------------------------------------------------------------


def test_it_holds_everything_itself(run: Run, tmp_path: Path) -> None:
    path = write_report(run, tmp_path / "page.html")
    page = path.read_text(encoding="utf-8")
    found = Elements(page)
    for tag, attributes in found.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style and "@import" not in style
    assert json.loads(found.scripts["values"])["rows"]["id"] == [row.id for row in read_results(run).rows]
    assert write_report(run) == run.path / "report.html"


def test_names_cannot_break_the_page(run: Run) -> None:
    values = contents(run)
    name = "<b>&\u2028'\""
    values["space"]["tasks"][0] = name
    values["about"]["name"] = "<img src=x>"
    values["about"]["space_file"] = "</script><script>alert(1)</script>"
    page = page_of(values)
    found = Elements(page)
    assert "img" not in {tag for tag, _ in found.tags} and sum(tag == "script" for tag, _ in found.tags) == 3
    told = json.loads(found.scripts["values"])
    assert told["space"]["tasks"][0] == name and told["about"] == {**told["about"], "name": "<img src=x>"}


def test_numbers_that_are_not_finite_are_null(run: Run) -> None:
    values = contents(run)
    values["gains"] = [float("nan"), float("inf"), 1.0]
    assert json.loads(Elements(page_of(values)).scripts["values"])["gains"] == [None, None, 1.0]


def test_the_command_writes_it(run: Run, tmp_path: Path) -> None:
    found: Outcome = call("report", run.path, "--out", tmp_path / "it.html")
    assert found.code == 0 and "it.html" in found.out and (tmp_path / "it.html").exists()


# In a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    selenium = pytest.importorskip("selenium.webdriver")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    options = selenium.ChromeOptions()
    quiet = ("networking", "component-update", "sync", "gpu", "quic")
    for word in ("--headless=new", "--no-sandbox", "--no-first-run", "--window-size=1400,1000"):
        options.add_argument(word)
    for word in ("--disable-background-networking", *(f"--disable-{name}" for name in quiet[1:])):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=service.Service(DRIVER))
    yield driver
    driver.quit()


def opened(browser: Any, path: Path, values: dict[str, Any]) -> Any:
    path.write_text(page_of(values), encoding="utf-8")
    browser.get(path.as_uri())
    wait(browser, "return document.querySelectorAll('#rows tbody tr').length > 0")
    return browser


def wait(browser: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 30).until(lambda one: one.execute_script(script))


PLACE = """
const plot = document.getElementById('front-plot'), number = arguments[0];
const trace = plot.data.find((one) => one.name.startsWith('front of all'));
plot.scrollIntoView();
const area = plot.querySelector('.nsewdrag').getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
return [trace.customdata[number], area.left + xaxis.d2p(trace.x[number]), area.top + yaxis.d2p(trace.y[number])];
"""


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_opens_without_errors_or_requests(browser: Any, run: Run, tmp_path: Path, theme: str) -> None:
    opened(browser, tmp_path / "page.html", contents(run))
    if browser.execute_script("return document.documentElement.dataset.theme") != theme:
        browser.find_element("id", "theme").click()
    assert browser.execute_script("return document.documentElement.dataset.theme") == theme
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)") == []
    ink, paper = browser.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (bright[0] < bright[1]) == (theme == "light") and abs(bright[0] - bright[1]) > 400


@needs_browser
def test_a_click_on_a_point_shows_its_tree(browser: Any, run: Run, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    results = read_results(run)
    opened(browser, tmp_path / "page.html", contents(run))
    seen = set()
    for number in range(min(3, sum(results.on_front))):
        place = browser.execute_script(PLACE, number)
        if place[0] is None:
            break
        row, x, y = place
        actions = ActionChains(browser)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        actions.w3c_actions.pointer_action.click()
        actions.perform()
        wait(browser, f"return document.getElementById('member-id').textContent === '{results.rows[row].id}'")
        tree = browser.find_element("css selector", "#tree svg")
        assert browser.execute_script("return arguments[0].querySelector('title').textContent", tree) == (
            f"Tree {results.rows[row].candidate.architecture.tree}"
        )
        boxes = browser.execute_script("return arguments[0].querySelectorAll('.box').length", tree)
        assert boxes == 1 + results.rows[row].candidate.architecture.tree.node_count + len(results.space.tasks)
        seen.add(row)
    assert seen


@needs_browser
def test_limits_filter_table_and_figure(browser: Any, run: Run, tmp_path: Path) -> None:
    results = read_results(run)
    opened(browser, tmp_path / "page.html", contents(run))
    shown = "return [...document.querySelectorAll('#rows tbody tr')].map((one) => Number(one.dataset.row))"
    assert sorted(browser.execute_script(shown)) == np.flatnonzero(results.on_front).tolist()
    browser.execute_script("const one = document.getElementById('every'); one.click()")
    assert len(browser.execute_script(shown)) == len(results.rows)
    browser.execute_script(
        "const one = document.querySelector('#limits input[data-cost=\"error/mean\"]');"
        "one.value = 300; one.dispatchEvent(new Event('input'))"
    )
    values = results.values("error/mean")
    limit = values.min() + 0.3 * (values.max() - values.min())
    assert sorted(browser.execute_script(shown)) == np.flatnonzero(values <= limit).tolist()
    points = (
        "const named = document.getElementById('front-plot').data.filter((one) => one.name !== 'chosen');"
        "return named.flatMap((one) => one.customdata ?? [])"
    )
    assert sorted(browser.execute_script(points)) == np.flatnonzero(values <= limit).tolist()
    browser.find_element("id", "reset").click()
    assert len(browser.execute_script(shown)) == len(results.rows)


@needs_browser
def test_a_slider_sets_branch_points_back_to_where_they_began(browser: Any, run: Run, tmp_path: Path) -> None:
    values = contents(run)
    course = values["training"]["branching"]["budgets"][0]["course"]
    opened(browser, tmp_path / "page.html", values)
    shown = "return document.getElementById('budget-0').data.map((one) => one.z.map((row) => [...row]))"

    def block_rows(step: int) -> list[list[list[float | None]]]:
        points = course["probabilities"][step]
        return [[[p if k <= task else None for k, p in enumerate(row)] for task, row in enumerate(block)][1:]
                for block in points]  # fmt: skip

    assert browser.execute_script(shown) == block_rows(-1)
    browser.execute_script(
        "const one = document.getElementById('step-0'); one.value = 0; one.dispatchEvent(new Event('input'))"
    )
    assert browser.execute_script(shown) == block_rows(0) != block_rows(-1)
    text = browser.execute_script("return document.querySelector('output[for=\"step-0\"]').textContent")
    assert text == f"0 of {course['steps'][-1]} steps"
    assert browser.get_log("browser") == []


@needs_browser
def test_it_can_be_used_with_the_keyboard_alone(browser: Any, run: Run, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(browser, tmp_path / "page.html", contents(run))
    browser.execute_script("document.querySelectorAll('#rows tbody tr')[1].focus()")
    wanted = browser.execute_script("return document.activeElement.cells[0].textContent")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.find_element("id", "member-id").text == wanted
    reachable = browser.execute_script(
        "return [...document.querySelectorAll('button, select, input, tr.row')].every((one) => one.tabIndex >= 0)"
    )
    assert reachable


@needs_browser
@pytest.mark.parametrize(("tasks", "count"), [(2, 30), (8, 5000)])
def test_it_shows_few_and_many_tasks_and_rows(browser: Any, run: Run, tmp_path: Path, tasks: int, count: int) -> None:
    opened(browser, tmp_path / "page.html", with_results(run, many(tasks, count)))
    assert browser.get_log("browser") == []
    browser.execute_script("document.getElementById('every').click()")
    assert browser.find_element("id", "count").text.startswith(f"{count} of {count}")
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('#tree svg .box')].map((one) => one.getBoundingClientRect().toJSON())"
    )
    for number, one in enumerate(boxes):
        assert all(
            one["right"] <= other["left"] or other["right"] <= one["left"] or one["bottom"] <= other["top"]
            or other["bottom"] <= one["top"]
            for other in boxes[number + 1 :]
        )  # fmt: skip


# Optuna's own dashboard ------------------------------------------------------------------------------------------


def test_the_dashboard_gets_the_study_with_readable_names(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    optuna, dashboard = pytest.importorskip("optuna"), pytest.importorskip("optuna_dashboard")
    served: list[Any] = []
    monkeypatch.setattr(dashboard, "run_server", lambda storage, **where: served.append((storage, where)))
    assert call("dashboard", run.path, "--port", "0").code == 0
    ((storage, where),) = served
    assert where == {"host": "127.0.0.1", "port": 0}
    (summary,) = optuna.get_all_study_summaries(storage)
    study, results = optuna.load_study(study_name=summary.study_name, storage=storage), read_results(run)
    assert tuple(study.metric_names) == results.objectives
    trials = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    assert len(trials) == len(results.rows)
    assert {name.split("/")[0] for trial in trials for name in trial.params} <= {"parent", "depth", "option"}


def test_a_port_that_is_taken_is_told_in_a_sentence(run: Run) -> None:
    pytest.importorskip("optuna_dashboard")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = call("dashboard", run.path, "--port", str(taken.getsockname()[1]))
    assert found.code == 1 and "choose another with --host and --port" in found.err


def test_a_run_that_was_not_searched_has_no_dashboard(tmp_path: Path) -> None:
    found = call("dashboard", trained_run(tmp_path / "run").path)
    assert found.code == 1 and "no results yet" in found.err
