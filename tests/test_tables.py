"""Tables of measured rows as files: what is read back is what the run has, value by value and type by type."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import toy_space
from test_results import make_results
from toy_runs import call, contents, refused, searched_run

from mtnas.architecture import Architecture, Candidate, QuantizationPolicy, Tree
from mtnas.errors import RunError
from mtnas.latency import LATENCY
from mtnas.results import Results, Row, read_table, rows_of_table, write_table
from mtnas.runs import read_results

BOTH = pytest.mark.parametrize("suffix", [".csv", ".parquet"])

KINDS = {"number": "i", "nodes": "i", "params": "i", "macs": "i", "feasible": "b", "front": "b"}
"""Kinds of numpy's types by column; errors, sizes and latencies are floats, the rest is text."""


def mixed_results() -> Results:
    """Rows of which some are quantized, have a latency, or an error that is a whole number."""
    results, rows = make_results(budgets={"params": 25.0}), []
    for row in results.rows:
        architecture, costs = row.candidate.architecture, dict(row.costs)
        policy = QuantizationPolicy.of({(0, 0): (8, 8)} if row.number % 3 == 0 else {})
        costs |= {"error/a": 1 if row.number == 4 else 0.1 + 0.2, "size_kib": 1 / 3}
        costs |= {LATENCY: 0.7} if row.number % 2 else {}
        rows.append(Row(row.number, Candidate(architecture, policy), costs))
    return replace(results, rows=tuple(rows))


def check_kinds(frame: pd.DataFrame) -> None:
    for name, kind in frame.dtypes.items():
        if name in KINDS:
            assert kind.kind == KINDS[str(name)], name  # type: ignore[union-attr]
        elif str(name).startswith("error/") or name in ("size_kib", LATENCY):
            assert kind == "float64", name
        else:
            assert all(isinstance(value, str) for value in frame[name]), name


@BOTH
def test_a_table_comes_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    results = mixed_results()
    frame = results.to_frame()
    again = read_table(write_table(frame, tmp_path / f"rows{suffix}"))
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    check_kinds(again)
    assert again[LATENCY].isna().any() and "b0/" in again["policy"][0] and again["policy"][0].endswith(" W8A8")
    assert rows_of_table(again) == results.rows
    assert set(again["corner"]) > {""} and again["front"].any() and not again["feasible"].all()


@BOTH
def test_a_table_without_rows_is_one(tmp_path: Path, suffix: str) -> None:
    frame = make_results(rows=0).to_frame()
    again = read_table(write_table(frame, tmp_path / f"rows{suffix}"))
    pd.testing.assert_frame_equal(again, frame)
    assert rows_of_table(again) == ()


@BOTH
def test_ids_and_trees_of_digits_stay_text(tmp_path: Path, suffix: str) -> None:
    """An id such as 123e456789 would be infinite, and the tree of a block a number."""
    frame = mixed_results().to_frame().assign(id="12345e6789", tree="012")
    again = read_table(write_table(frame, tmp_path / f"rows{suffix}"))
    assert set(again["id"]) == {"12345e6789"} and set(again["tree"]) == {"012"}


def test_counted_costs_that_are_no_whole_numbers_are_kept() -> None:
    results = make_results()
    rows = [Row(row.number, row.candidate, {**row.costs, "macs": 0.5}) for row in results.rows]
    assert set(replace(results, rows=tuple(rows)).to_frame()["macs"]) == {0.5}


# Command ----------------------------------------------------------------------------------------------------------


def test_parquet_that_pandas_reads_is_what_the_run_has(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run"), tmp_path / "rows.parquet"
    before = contents(run.path)
    found = call("show", run.path, "--out", out)
    assert found.code == 0 and f"wrote {out}" in found.out and contents(run.path) == before
    frame, results = pd.read_parquet(out), read_results(run)
    check_kinds(frame)
    front = {row.number for row in results.front()}
    assert len(frame) == len(results.rows) == toy_space.searching.evaluations
    for row, line in zip(results.rows, frame.to_dict("records"), strict=True):
        assert (line["number"], line["id"], line["policy"]) == (row.number, row.id, "float")
        assert line["tree"] == str(row.candidate.architecture.tree)
        assert {name: line[name] for name in row.costs} == dict(row.costs)
        assert line["front"] == (row.number in front) and line["feasible"] is True
        assert Candidate.from_json(json.loads(line["candidate"])) == row.candidate


def test_the_runs_own_table_and_one_that_is_written_are_the_same(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run"), tmp_path / "rows.csv"
    assert call("show", run.path, "--out", out, "--json").code == 0
    assert out.read_bytes() == run.results.read_bytes()
    assert rows_of_table(read_table(run.results)) == read_results(run).rows


def test_other_files_are_refused(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run").path, tmp_path / "rows.csv"
    refused(call("show", run, "--out", tmp_path / "rows.xlsx"), "rows.xlsx", "ends in .csv or .parquet")
    out.write_text("mine")
    refused(call("show", run, "--out", out), "rows.csv", "not overwritten")
    assert out.read_text() == "mine"


def test_pyarrow_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "pyarrow" else find_spec(name, package)

    monkeypatch.setattr(sys.modules["mtnas.results.table"], "find_spec", found)
    run, out = searched_run(tmp_path / "run").path, tmp_path / "rows.parquet"
    sentence = refused(call("show", run, "--out", out), "rows.parquet", "pyarrow", "pip install 'mtnas[parquet]'")
    assert "\n" not in sentence and not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "", "No columns"),
        ("a.csv", "x,y\n1,2\n", "no column number"),
        ("a.csv", "number,candidate,params\none,{},3\n", "could not convert"),
        ("a.csv", "number,candidate,front\n1,{},yes\n", "front is neither True nor False"),
        ("a.parquet", "no parquet", "no table of measured rows"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match=reason) as raised:
        read_table(tmp_path / name)
    assert "\n" not in str(raised.value) and "write it anew" in str(raised.value)
    with pytest.raises(RunError, match=r"no table .*b\.csv; mtnas show RUN --out"):
        read_table(tmp_path / "b.csv")


def test_a_candidate_that_is_none_is_refused() -> None:
    frame = make_results(rows=2).to_frame().assign(candidate="{}")
    with pytest.raises(RunError, match="row 0 of the table has no candidate"):
        rows_of_table(frame)


# One candidate ----------------------------------------------------------------------------------------------------


def test_a_candidate_is_told_node_by_node(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    results = read_results(run)
    for row in results.rows[::3]:
        told = json.loads(call("show", run.path, "--candidate", row.id, "--json").out)
        assert (told["id"], told["costs"]) == (row.id, dict(row.costs))
        assert told["on_front"] == (row in results.front()) and told["within_budgets"] is True
        tasks, blocks = results.space.tasks, [block.name for block in results.space.blocks]
        groups = {name: [] for name in blocks}  # type: dict[str, list[tuple[tuple[int, ...], str]]]
        for node in told["node_list"]:
            groups[node["block"]].append((tuple(map(tasks.index, node["tasks"])), node["option"]))
        tree = Tree.from_groups([[group for group, _ in groups[name]] for name in blocks])
        options = tuple(tuple(option for _, option in groups[name]) for name in blocks)
        assert Architecture(tree, options) == row.candidate.architecture
        # Nodes and heads are all that has weights: there is no stem.
        heads = sum(results.cost_table.head(results.space, row.candidate.architecture, task)[0] for task in range(3))
        assert sum(node["params"] for node in told["node_list"]) + heads == row.costs["params"]
    shown = call("show", run.path, "-c", "#1").out
    assert "first" in shown and "error/quadrant" in shown and "Pareto front" not in shown


def test_bits_of_nodes_are_told() -> None:
    from mtnas.cli.tables import candidate_json

    results = mixed_results()
    told = candidate_json(results, results.rows[0])["node_list"]
    bits = [(node["weight_bits"], node["activation_bits"]) for node in told]
    assert bits[0] == (8, 8) and set(bits[1:]) == {(32, 32)}


def test_the_tree_of_a_candidate_is_written_for_graphviz(tmp_path: Path) -> None:
    from mtnas.architecture import to_dot

    run, out = searched_run(tmp_path / "run"), tmp_path / "tree.dot"
    row = read_results(run).rows[-1]
    found = call("show", run.path, "--candidate", row.id, "--dot", out)
    assert found.code == 0 and f"wrote {out}" in found.out
    assert out.read_text() == to_dot(toy_space.space.architectures, row.candidate.architecture)
    refused(call("show", run.path, "--candidate", row.id, "--dot", out), "tree.dot", "not overwritten")
    refused(call("show", run.path, "--candidate", row.id, "--dot", tmp_path / "tree.png"), "tree.png", ".dot or .gv")
    refused(call("show", run.path, "--dot", tmp_path / "b.dot"), "b.dot", "--candidate")
    assert not (tmp_path / "b.dot").exists()
