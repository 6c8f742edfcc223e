"""Latencies of candidates: what is measured is the audited file, once converted, and what was measured is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_space
from torch import Tensor, nn
from toy_runs import TOY_FILE, begun_run, call, refused, search_toy, searched_run
from toys import draws, toy_x
from toys import toy_space as make_toy_space

from mtnas import evaluation
from mtnas.architecture import INT8, Candidate, QuantizationPolicy
from mtnas.cli.steps.shipping import _costs
from mtnas.errors import RunError, TargetError
from mtnas.evaluation import latencies
from mtnas.quantizing import everywhere, network_bytes, wire
from mtnas.reporting.contents import contents
from mtnas.runs import read_results
from mtnas.runs.latencies import FILE, keep_latencies, read_latencies, read_reference
from mtnas.supernet import BranchedNetwork, SuperNetwork
from mtnas.targets import Latency, MeasureSettings, TorchEager, check_target

pytest.importorskip("onnxruntime")

from mtnas.targets import OnnxRuntime
from mtnas.targets import onnx_runtime as module

SPACE = make_toy_space(stem=True)
SUPERNET = SuperNetwork(SPACE, toy_x(8))
QUICK = MeasureSettings(rounds=4, block_ms=0.05, warmup_ms=0)


def network(seed: int = 0) -> BranchedNetwork:
    return SUPERNET.extract(next(draws(SPACE, 1, seed))).eval()


def all_int8(branched: BranchedNetwork) -> QuantizationPolicy:
    return QuantizationPolicy.uniform(branched.places.values(), 8, 8)


# Target -----------------------------------------------------------------------------------------------------------


def test_it_keeps_the_promises_of_a_target() -> None:
    branched = network()
    check_target(OnnxRuntime(), branched, toy_x(3), [QuantizationPolicy(), all_int8(branched)])


def test_a_second_policy_converts_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    converted = []

    def counting(*arguments: Any) -> Any:
        converted.append(arguments)
        return real(*arguments)

    real = module.convert
    monkeypatch.setattr(module, "convert", counting)
    target, branched = OnnxRuntime(keep=1), network()
    for policy in (QuantizationPolicy(), all_int8(branched), QuantizationPolicy()):
        target.prepare(branched, policy, toy_x(3))
    assert len(converted) == 1
    # Other weights make no difference to latency, another architecture does, and only as many are kept as asked.
    target.prepare(
        SuperNetwork(SPACE, toy_x(8), seed=5).extract(branched.architecture).eval(), all_int8(branched), toy_x(3)
    )
    assert len(converted) == 1
    other = next(one for seed in range(1, 20) if (one := network(seed)).architecture != branched.architecture)
    target.prepare(other, QuantizationPolicy(), toy_x(3))
    target.prepare(branched, QuantizationPolicy(), toy_x(3))
    assert len(converted) == 3


def test_a_network_that_only_looks_the_same_is_converted_anew() -> None:
    """A module that says nothing of its sizes, edited in a notebook."""

    class Hidden(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(width, 6))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"y": nn.functional.linear(x, self.weight)}

    class Edited(Hidden):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"y": nn.functional.linear(x, self.weight).tanh()}

    Edited.__name__ = "Hidden"
    target = OnnxRuntime()
    sizes = []
    for kind, width in ((Hidden, 8), (Hidden, 9), (Edited, 9), (Hidden, 8)):
        target.prepare(kind(width).eval(), QuantizationPolicy(), toy_x(3))
        sizes.append(len(target._converted))
    assert sizes == [1, 2, 3, 3]


def test_it_runs_as_many_samples_as_asked() -> None:
    outputs: Any = OnnxRuntime(batch=5).prepare(network(), QuantizationPolicy(), toy_x(3))()
    assert {len(value) for value in outputs} == {5}


def test_a_policy_that_does_not_run_as_it_says_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    branched = network()
    real = module.quantize

    def lying(graph: Any, candidate: Any, ranges: Any, **more: Any) -> Any:
        return replace(real(graph, candidate, ranges, **more), content=graph.content)

    monkeypatch.setattr(module, "quantize", lying)
    with pytest.raises(Exception, match="should run in integers, but onnxruntime runs it in float"):
        OnnxRuntime().prepare(branched, all_int8(branched), toy_x(3))


def test_a_provider_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(TargetError, match=r"provider Abacus is not offered .* CPUExecutionProvider"):
        OnnxRuntime(provider="Abacus")


# Candidates -------------------------------------------------------------------------------------------------------


def test_every_candidate_is_measured_in_groups_of_any_size() -> None:
    branched = [network(seed) for seed in range(3)]
    wanted = [Candidate(one.architecture, all_int8(one)) for one in branched]
    for together in (2, 10):
        found = dict(latencies(SUPERNET, wanted, OnnxRuntime(), toy_x(3), QUICK, anchor=1.0, together=together))
        assert list(found) == wanted
        assert all(latency.ms > 0 and latency.rounds == 4 for latency in found.values())


def test_bits_that_a_target_lacks_are_refused() -> None:
    branched = network()
    wanted = [Candidate(branched.architecture, all_int8(branched))]
    found = latencies(SUPERNET, wanted, TorchEager(), toy_x(3), QUICK, anchor=1.0)
    with pytest.raises(TargetError, match="W8A8"):
        list(found)


# What is kept -----------------------------------------------------------------------------------------------------


def test_latencies_are_kept_by_candidate_and_target(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    one, other = (row.candidate for row in read_results(run).rows[:2])
    slow, fast = Latency(2.0, 0.1, 4, "a clock", False), Latency(1.0, 0.1, 4, "a clock", True)
    keep_latencies(run, {"threads": 1}, 3.0, {one: slow, other: slow})
    keep_latencies(run, {"threads": 2}, 4.0, {one: slow})
    keep_latencies(run, {"threads": 1}, 3.0, {one: fast})
    kept = [(found.candidate, found.target["threads"], found.latency) for found in read_latencies(run)]
    assert kept == [(one, 1, fast), (other, 1, slow), (one, 2, slow)]
    assert [read_reference(run, {"threads": count}) for count in (1, 2, 3)] == [3.0, 4.0, None]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    for text in ("[", '{"rows": [{"candidate": 1}], "references": []}', '{"a": 1}', "[]"):
        (run.path / FILE).write_text(text)
        with pytest.raises(RunError, match=r"latencies\.json is damaged .* delete it and measure again"):
            read_latencies(run)


def test_the_command_measures_members_of_the_front(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    found = call("measure", run.path, "--top", "2", "--int8", "--rounds", "4", "--space", TOY_FILE)
    assert found.code == 0, found.err
    kept = read_latencies(run)
    front = {row.candidate for row in read_results(run).front()}
    floats = [one.candidate for one in kept if not one.candidate.policy.nodes]
    assert len(floats) == 2 and set(floats) <= front and len(kept) == 4
    for one in kept:
        assert one.candidate.architecture in {candidate.architecture for candidate in floats}
        assert one.target["runtime"] == "onnxruntime"
    assert re.search(r"\d nodes W[78]A8", found.out) and "noise" in found.out
    anchor = read_reference(run, kept[0].target)
    call("measure", run.path, "-c", "#0", "--rounds", "4", "--space", TOY_FILE)
    assert anchor is not None and read_reference(run, kept[0].target) == anchor
    known = len(read_latencies(run))
    call("measure", run.path, "-c", "#0", "--torch", "--rounds", "4", "--space", TOY_FILE)
    assert len(read_latencies(run)) == known + 1 and read_latencies(run)[-1].target["runtime"] == "torch"


def test_what_was_measured_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, usual = searched_run(tmp_path / "run"), evaluation.latencies

    def interrupted(*given: Any, **more: Any) -> Iterator[tuple[Candidate, Latency]]:
        yield from islice(usual(*given, **more, together=2), 3)
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "latencies", interrupted)
    assert call("measure", run.path, "--torch", "--rounds", "4", "--space", TOY_FILE).code != 0
    assert len(read_latencies(run)) == 3


def test_nothing_is_measured_while_the_run_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = searched_run(tmp_path / "run")
    monkeypatch.setattr(evaluation, "reference_ms", lambda *given: pytest.fail("it was measured"))
    with run.hold():
        refused(call("measure", run.path, "--torch", "--rounds", "4", "--space", TOY_FILE), "another process is")


def test_the_command_refuses_integers_in_torch(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    refused(
        call("measure", run.path, "--torch", "--int8", "--rounds", "4", "--space", TOY_FILE), "W8A8", "it runs float"
    )
    refused(call("measure", run.path, "--weight-bits", "7", "--space", TOY_FILE), "give --int8 with it")
    assert not (run.path / FILE).exists()


def test_without_a_front_there_is_nothing_to_measure(tmp_path: Path) -> None:
    refused(call("measure", begun_run(tmp_path / "begun").path, "--space", TOY_FILE), "nothing is measured yet")
    run = searched_run(tmp_path / "run")
    search_toy(run, 13, {"error/quadrant": 1e-6})
    refused(call("measure", run.path, "--space", TOY_FILE), "none of the 13 measured rows", "--candidate")
    assert not (run.path / FILE).exists()
    assert call("measure", run.path, "--torch", "-c", "#0", "--rounds", "4", "--space", TOY_FILE).code == 0


def test_exports_tell_their_latency_and_where_it_was_measured(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    call("export", run.path, "--candidate", "#0", "--out", tmp_path / "out", "--space", TOY_FILE)
    (told,) = json.loads((tmp_path / "out" / "model.json").read_text())["latency"]
    assert told["ms"] > 0 and told["target"] == OnnxRuntime().describe()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Latency: " in card and "The same network in float" not in card and "In float the file" not in card


def test_exports_in_integers_tell_what_float_would_take(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    out = tmp_path / "out"
    found = call("export", run.path, "--candidate", "#0", "--out", out, "--int8", "--space", TOY_FILE)
    about = json.loads((out / "model.json").read_text())
    (told,), floating = about["latency"], about["in_float"]["file_kib"]
    assert told["in_float_ms"] > 0 and floating != about["costs"]["file_kib"]
    card = (out / "README.md").read_text()
    assert f"The same network in float takes {told['in_float_ms']:#.3g} ms." in card
    assert f"In float the file would have {floating:,.1f} KiB." in card
    assert f"(in float {told['in_float_ms']:#.3g} ms)" in found.out and f"; in float {floating:,.1f})" in found.out


def test_costs_of_an_export_in_integers_are_not_those_of_the_float_row(tmp_path: Path) -> None:
    run, settings = searched_run(tmp_path / "run"), ("--space", TOY_FILE, "--no-latency")
    row = read_results(run).find("#0")
    example, _ = toy_space.data(None).example()
    found = SuperNetwork(toy_space.space, example).extract(row.candidate.architecture).eval()
    costs = {**row.costs, "latency_ms": 5.0, "size_kib": 9.0}
    for candidate in (row.candidate, everywhere(found, example, INT8)):
        told = _costs(replace(row, costs=costs), candidate, found, example)
        size = network_bytes(found, candidate.policy, wire(found, example)) / 1024
        assert told == (costs if candidate == row.candidate else {**row.costs, "size_kib": size})
    call("export", run.path, "--candidate", "#0", "--out", tmp_path / "out", "--int8", *settings)
    told = json.loads((tmp_path / "out" / "model.json").read_text())["costs"]
    assert told.keys() == {name for name in row.costs if not name.startswith("error/")} | {"file_kib"}


# Picking ----------------------------------------------------------------------------------------------------------


def test_pick_looks_among_what_was_measured_when_asked_for_latency(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    refused(call("pick", run.path, "-b", "latency_ms=5"), "no candidate's latency was measured", "mtnas measure")
    where = {"runtime": "mine", "version": "1", "device": "cpu", "threads": 1, "batch": 1}
    rows = sorted(read_results(run).rows, key=lambda row: row.costs["error/mean"])
    best, middle, worst = rows[0], rows[len(rows) // 2], rows[-1]
    times = {best.candidate: 9.0, middle.candidate: 4.0, worst.candidate: 3.0}
    keep_latencies(run, where, 1.0, {one: Latency(ms, 0.1, 4, "c", False) for one, ms in times.items()})
    for limit, wanted in ((10, best), (5, middle), (3.5, worst)):
        picked = json.loads(call("pick", run.path, "-b", f"latency_ms={limit}", "--json").out)
        assert picked["id"] == wanted.id and picked["costs"]["latency_ms"] == times[wanted.candidate]
    assert "4.00 ms" in call("pick", run.path, "-b", "latency_ms=5").out
    refused(call("pick", run.path, "-b", "latency_ms=1"), "latency_ms <= 1", "smallest measured: latency_ms 3")
    keep_latencies(run, {**where, "threads": 2}, 1.0, {worst.candidate: Latency(1.0, 0.1, 4, "c", False)})
    refused(call("pick", run.path, "-b", "latency_ms=5"), "several targets", "threads 1", "threads 2")
    for threads, wanted in ((1, middle), (2, worst)):
        arguments = ("-b", "latency_ms=5", "--target", f"threads {threads}", "--json")
        assert json.loads(call("pick", run.path, *arguments).out)["id"] == wanted.id


def test_targets_that_differ_in_hardware_alone_are_not_mixed(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    rows = read_results(run).rows
    for hardware, ms in (("EPYC", 4.0), ("EPYC 2", 1.0)):
        latency = Latency(ms, 0.1, 4, "c", False)
        keep_latencies(run, {"runtime": "mine", "hardware": hardware}, 1.0, {row.candidate: latency for row in rows})
    refused(call("pick", run.path, "-b", "latency_ms=5"), "several targets", "mine, EPYC; mine, EPYC 2")
    for target, ms in (("mine, EPYC", 4.0), ("EPYC 2", 1.0)):
        picked = json.loads(call("pick", run.path, "-b", "latency_ms=5", "--target", target, "--json").out)
        assert picked["costs"]["latency_ms"] == ms
    places = [one["target"] for one in contents(run)["latencies"]]
    assert places == ["mine, EPYC"] * len(rows) + ["mine, EPYC 2"] * len(rows)
