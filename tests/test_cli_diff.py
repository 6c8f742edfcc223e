"""Two candidates side by side: the difference leads from the one to the other, and has nothing else in it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import toy_space
from hypothesis import given
from hypothesis import strategies as st
from toy_runs import call, contents, refused, searched_run

from mtnas.architecture import INT8, Architecture, Candidate, QuantizationPolicy, Tree
from mtnas.results import Row
from mtnas.results.difference import Difference, difference
from mtnas.runs import Run, read_results

SPACE = toy_space.space.architectures


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A candidate with random bits, and costs by name."""
    architecture = SPACE.draw(random.Random(draw(st.integers(0, 10_000))))
    nodes = [(block, group[0]) for block, group in architecture.tree.nodes()]
    chosen = draw(st.lists(st.sampled_from(nodes), unique=True))
    costs = {name: float(draw(st.integers(0, 9))) for name in ("error/mean", "params")}
    return Row(0, Candidate(architecture, QuantizationPolicy.uniform(chosen, *INT8)), costs)


def applied(a: Candidate, found: Difference) -> Candidate:
    """What the difference makes of ``a``."""
    tree = a.architecture.tree
    groups = [found.groups.get(block, (None, tree.groups(block)))[1] for block in range(tree.blocks)]
    uses = {
        (block, task): (option, a.policy.bits(block, group[0]))
        for block, group, option in a.architecture.nodes()
        for task in group
    }
    for one in found.nodes:
        for task in one.tasks:
            assert uses[one.block, task] == (one.a.operator, one.a.bits)
            uses[one.block, task] = (one.b.operator, one.b.bits)
    options = tuple(tuple(uses[block, group[0]][0] for group in row) for block, row in enumerate(groups))
    bits = {(block, group[0]): uses[block, group[0]][1] for block, row in enumerate(groups) for group in row}
    return Candidate(Architecture(Tree.from_groups(groups), options), QuantizationPolicy.of(bits))


@given(a=rows(), b=rows())
def test_the_difference_leads_from_the_one_to_the_other(a: Row, b: Row) -> None:
    found = difference(SPACE, a, b)
    assert applied(a.candidate, found) == b.candidate
    assert all((one.a.operator, one.a.bits) != (one.b.operator, one.b.bits) for one in found.nodes)
    assert all(ours != theirs for ours, theirs in found.groups.values())


@given(a=rows(), b=rows())
def test_the_other_way_round_it_is_the_same(a: Row, b: Row) -> None:
    there, back = difference(SPACE, a, b), difference(SPACE, b, a)
    assert {block: (theirs, ours) for block, (ours, theirs) in there.groups.items()} == back.groups
    assert {(one.block, one.tasks, one.b, one.a) for one in there.nodes} == {
        (one.block, one.tasks, one.a, one.b) for one in back.nodes
    }
    assert {name: (b, a) for name, (a, b) in there.costs.items()} == back.costs
    assert bool(there.groups or there.nodes) == (a.candidate != b.candidate)


@given(a=rows(), b=rows())
def test_every_node_of_the_difference_is_told_once(a: Row, b: Row) -> None:
    """Tasks that stay together are one line; tasks that part, or come together, are lines of their own."""
    for one in difference(SPACE, a, b).nodes:
        assert set(one.tasks) == set(one.a.group) & set(one.b.group)


# The command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return searched_run(tmp_path_factory.mktemp("diff") / "run")


def test_the_command_tells_what_the_difference_is(run: Run) -> None:
    before, results = contents(run.path), read_results(run)
    for a, b in ((results.rows[4], results.rows[5]), (results.rows[0], results.rows[3])):
        shown = call("diff", run.path, a.id, f"#{b.number}")
        assert shown.code == 0 and shown.err == ""
        told = json.loads(call("diff", run.path, a.id, f"#{b.number}", "--json").out)
        found = difference(results.space, a, b)
        assert told == {"a": told["a"], "b": told["b"], **found.to_json()}
        for name, row in (("a", a), ("b", b)):
            assert Candidate.from_json(told[name]["candidate"]) == row.candidate and told[name]["id"] == row.id
        for name, line in told["costs"].items():
            assert line == {"a": a.costs[name], "b": b.costs[name], "difference": b.costs[name] - a.costs[name]}
            assert name in shown.out
        for line in (*told["groups"], *told["nodes"]):
            assert line["block"] in shown.out
        for line in told["nodes"]:
            assert line["a"]["operator"] in shown.out and line["b"]["operator"] in shown.out
    assert contents(run.path) == before


def test_a_candidate_beside_itself(run: Run) -> None:
    row = read_results(run).rows[2]
    assert f"{row.id} and {row.id} are the same network" in call("diff", run.path, row.id, "#2").out
    told = json.loads(call("diff", run.path, row.id, "#2", "--json").out)
    assert told["groups"] == told["nodes"] == [] and not any(c["difference"] for c in told["costs"].values())


def test_bits_are_told_where_there_are_any(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    from mtnas.cli.tables import print_difference

    row = read_results(run).rows[5]
    block, group, _ = row.candidate.architecture.nodes()[0]
    bits = QuantizationPolicy.of({(block, group[0]): INT8})
    other = Row(99, Candidate(row.candidate.architecture, bits), row.costs)
    found = difference(SPACE, row, other)
    assert [(one.block, one.tasks, one.a.bits, one.b.bits) for one in found.nodes] == [(0, group, (32, 32), (8, 8))]
    print_difference(found)
    shown = capsys.readouterr().out
    assert "float" in shown and "W8A8" in shown


def test_what_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    refused(call("diff", run.path, "#0", "#99"), "no candidate of this run match '#99'", "results.csv")
    refused(call("diff", run.path, "", "#0"), "candidates of this run match ''")
    refused(call("diff", tmp_path, "#0", "#1"), "there is no run in")
    assert call("diff", run.path, "#0").code == 2


def test_the_command_loads_no_library_that_trains_or_searches(run: Run) -> None:
    code = (
        "import sys\nfrom mtnas.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    assert not {'torch', 'optuna', 'pandas'} & set(sys.modules), set(sys.modules)\n"
    )
    words = ["diff", str(run.path), "#0", "#5"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout, done.stderr
