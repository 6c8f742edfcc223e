"""Latencies foreseen of all rows from networks that are chosen for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toy_space
from numpy.typing import NDArray
from toy_runs import TOY_FILE, begun_run, call, refused, searched_run

from mtnas.architecture import FLOAT, INT8, Candidate, JointSpace, QuantizationPolicy
from mtnas.errors import RunError, SearchError, TargetError
from mtnas.predicting import GroupedRidge, IndependentGenes
from mtnas.predicting.design import most_telling
from mtnas.predicting.genetics import Floats, Genes, fingerprints
from mtnas.predicting.grouped_ridge import FittedRidge
from mtnas.quantizing import JointCosts, Structure, joint_costs
from mtnas.results import MEAN_ERROR, Results
from mtnas.runs import Run, read_results
from mtnas.runs.latencies import PROBES, read_latencies
from mtnas.searching import foresee_latency, workers
from mtnas.searching import foreseen_latency as module
from mtnas.searching.probes import Probes
from mtnas.supernet import SuperNetwork
from mtnas.targets import Latency, TorchEager

DATA = toy_space.data(None)
SUPERNET = SuperNetwork(toy_space.space, DATA.example()[0])
COSTS = JointCosts(
    JointSpace.in_float(toy_space.space.architectures),
    SUPERNET.found.costs,
    Structure.of(toy_space.space, SUPERNET.found, DATA.example()[0]),
)


def made_ms(candidate: Candidate) -> float:
    """Of every node a time of its own, and a start."""
    nodes = candidate.architecture.nodes()
    return 1 + sum(0.1 * (block + 1) * (2 + len(name)) for block, _, name in nodes)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """Latencies are made; what was measured comes into the list."""
    found: list[Candidate] = []

    def made(supernet: Any, candidates: Sequence[Candidate], *_: Any, **__: Any) -> Iterator[tuple[Candidate, Latency]]:
        for candidate in candidates:
            found.append(candidate)
            yield candidate, Latency(made_ms(candidate), 0.0, 4, "made", False)

    monkeypatch.setattr(workers, "latencies", made)
    monkeypatch.setattr(workers, "reference_ms", lambda *_: 1.0)
    return found


def foreseen(run: Run, probes: int = 30) -> module.ForeseenLatency:
    return foresee_latency(toy_space.space, DATA, run, TorchEager(), probes, show_progress=False)


# Choosing ---------------------------------------------------------------------------------------------------------


def _left(fitted: FittedRidge, rows: Floats, wanted: Floats) -> float:
    """Variance of what is wanted after measuring rows, with the slopes' variances as they are."""
    precision = np.linalg.inv(fitted.covariance)
    for row, level in zip(rows, fitted.level(rows), strict=True):
        off = row - fitted.rows.x_mean
        precision += np.outer(off, off) / (fitted.noise * level**2)
    rest = (wanted - fitted.rows.x_mean) / fitted.level(wanted)[:, None]
    return float(np.einsum("nf,fg,ng->", rest, np.linalg.inv(precision), rest))


def test_the_first_choice_leaves_the_least_variance_and_variation_less() -> None:
    rng = np.random.default_rng(0)
    genetics = IndependentGenes([3] * 8, [False] * 8)
    known, pool, wanted = (genetics.draw(count, rng) for count in (8, 40, 30))
    rows, features, goal = (genetics.features(genes, 0) for genes in (known, pool, wanted))
    costs = 5 + rows @ rng.random(rows.shape[1])
    fitted = GroupedRidge().tuned(rows, costs, genetics.groups(0))(rows, costs)
    unmeasured = np.array([], dtype=np.uint64)

    def chosen(rounds: int, count: int, known: NDArray[np.uint64] = unmeasured) -> Genes:
        rng = np.random.default_rng(1)
        return most_telling(fitted, genetics, 0, pool, goal, rng, count=count, known=known, rounds=rounds)

    drawn = chosen(0, 5)
    best = int(np.argmin([_left(fitted, row[None], goal) for row in features]))
    assert (drawn[0] == pool[best]).all() and len(np.unique(drawn, axis=0)) == 5
    varied = chosen(10, 5)
    assert len(np.unique(varied, axis=0)) == 5
    left = [_left(fitted, genetics.features(genes, 0), goal) for genes in (pool[:0], drawn, varied)]
    assert left[2] < left[1] < left[0]
    assert len(chosen(0, 99)) == len(np.unique(pool, axis=0))  # each once
    without = chosen(0, 99, fingerprints(drawn))
    assert not {*map(bytes, without)} & {*map(bytes, drawn)} and len(without) == len(np.unique(pool, axis=0)) - 5


def test_probes_are_never_measured_twice() -> None:
    probes, known = Probes(COSTS, 0, pool=60, first=10, rounds=0), dict[Candidate, float]()
    refused = set(probes.next(known, 2))
    while due := probes.next(known, 7, refused):
        assert len(due) <= 7 and len(set(due)) == len(due) and not set(due) & (set(known) | refused)
        known.update((candidate, made_ms(candidate)) for candidate in due)
    assert set(known) | refused == set(probes.candidates)
    again = Probes(COSTS, 0, pool=60, first=10)
    assert again.candidates == probes.candidates and again.next({}, 5) == probes.next({}, 5)


def test_varied_probes_are_new_candidates_in_their_canonical_form() -> None:
    joint = joint_costs(toy_space.space, SUPERNET.found, DATA.example()[0], (FLOAT, INT8))
    probes, known = Probes(joint, 0, pool=60, first=10), dict[Candidate, float]()
    refused = set(probes.next(known, 2))
    for _ in range(8):
        due = probes.next(known, 7, refused)
        assert len(set(due)) == len(due) and not set(due) & (set(known) | refused)
        assert [joint.space.canonical(candidate) for candidate in due] == due
        if len(known) >= 10:
            assert set(due) - set(probes.candidates) and probes.next(known, 7, refused) == due
        known.update((candidate, made_ms(candidate)) for candidate in due)


# Foreseeing -------------------------------------------------------------------------------------------------------


def test_latencies_that_add_up_are_foreseen(tmp_path: Path, measured: list[Candidate]) -> None:
    run = searched_run(tmp_path / "run")
    found, rows = foreseen(run), read_results(run).rows
    assert len(set(measured)) == len(measured) == 30
    assert [one.row for one in found.rows] == list(rows)
    for one in found.rows:
        assert one.ms == pytest.approx(made_ms(one.row.candidate), rel=0.02)
        assert one.low <= one.ms <= one.high
    assert found.quality.rows == 30 and found.quality.tau > 0.9 and found.quality.mape < 2
    front = found.front()
    assert [one.ms for one in front] == sorted(one.ms for one in front)
    for one in found.rows:
        beaten = [
            other for other in front if other.ms <= one.ms and other.row.costs[MEAN_ERROR] <= one.row.costs[MEAN_ERROR]
        ]
        assert one in front or beaten
    assert read_results(run).rows == rows  # foreseen values never enter


def test_it_goes_on_where_it_was_interrupted(
    tmp_path: Path, measured: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = foreseen(searched_run(tmp_path / "whole"))
    first, real = [*measured], workers.latencies
    measured.clear()

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if len(measured) == 23:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    run = searched_run(tmp_path / "run")
    monkeypatch.setattr(workers, "latencies", interrupted)
    with pytest.raises(KeyboardInterrupt):
        foreseen(run)
    monkeypatch.setattr(workers, "latencies", real)
    assert len(read_latencies(run, PROBES)) == 23 and not (run.path / module.FORESEEN).exists()
    again = foreseen(run)
    assert len(measured) == 30 and set(measured[:20]) == set(first[:20])
    assert again.quality.tau == pytest.approx(whole.quality.tau, abs=0.1)
    foreseen(run)  # all is known
    assert len(measured) == 30
    foreseen(run, 34)
    assert len(measured) == 34


def test_other_targets_keep_what_was_foreseen(
    tmp_path: Path, measured: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    described = TorchEager.describe
    run = searched_run(tmp_path / "run")
    foreseen(run)
    rows = len(read_results(run).rows)
    for times in (1, 2):  # a second call replaces its own lines
        foresee_latency(toy_space.space, DATA, run, TorchEager(threads=2), 30, show_progress=False)
        frame = pd.read_csv(run.path / module.FORESEEN)
        assert len(frame) == 2 * rows and frame["target"].nunique() == 2, times
    assert len(measured) == 60
    monkeypatch.setattr(TorchEager, "describe", lambda self: {**described(self), "hardware": "another"})
    for times in (1, 2):
        foreseen(run)
        frame = pd.read_csv(run.path / module.FORESEEN)
        assert len(frame) == 3 * rows and len(frame.groupby(["target", "hardware"])) == 3, times
    frame.drop(columns="hardware").to_csv(run.path / module.FORESEEN)  # as it was written once
    foreseen(run)
    assert pd.read_csv(run.path / module.FORESEEN)["target"].value_counts().to_list() == [rows, rows]
    (run.path / module.FORESEEN).write_text("number\n1\n")
    with pytest.raises(RunError, match="delete it"):
        foreseen(run)


def test_what_cannot_be_measured_is_left_out(
    tmp_path: Path, measured: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workers.latencies

    def failing(supernet: Any, candidates: Sequence[Candidate], *more: Any, **options: Any) -> Any:
        if len(measured) in failures:
            failures.remove(len(measured))
            raise TargetError("the device is gone")
        return real(supernet, candidates, *more, **options)

    monkeypatch.setattr(workers, "latencies", failing)
    failures = [3, 25, 27]
    assert foreseen(searched_run(tmp_path / "some")).quality.rows == 30
    measured.clear()
    failures = [3] * 5
    with pytest.raises(SearchError, match=r"5 networks could not be measured .*the device is gone"):
        foreseen(searched_run(tmp_path / "many"))


def test_bad_calls_are_refused_before_anything_is_measured(tmp_path: Path, measured: list[Candidate]) -> None:
    run = searched_run(tmp_path / "run")
    with pytest.raises(SearchError, match="probes must be at least 20, but is 5"):
        foreseen(run, 5)
    for wrong, sentence in (({"step": 0}, "step must be at least 1"), ({"most_failures": 1.5}, "a whole number")):
        with pytest.raises(SearchError, match=sentence):
            foresee_latency(toy_space.space, DATA, run, TorchEager(), 30, show_progress=False, **wrong)
    with pytest.raises(RunError, match="has no space yet"):
        foreseen(Run(tmp_path / "new"))
    with pytest.raises(RunError, match="has no measured rows yet; search first"):
        foreseen(begun_run(tmp_path / "begun"))
    rows = read_results(run).rows
    policy = QuantizationPolicy.of({(0, 0): INT8})
    integers = [Candidate(rows[0].candidate.architecture, policy)]
    with pytest.raises(SearchError, match="W8A8, which target torch on cpu does not run"):
        module._costs(toy_space.space, SUPERNET, DATA.example()[0], _with_rows(run, integers), TorchEager())
    assert not measured


def _with_rows(run: Run, candidates: Sequence[Candidate]) -> Results:
    results = read_results(run)
    rows = tuple(replace(row, candidate=one) for row, one in zip(results.rows, candidates, strict=False))
    return replace(results, rows=rows)


# Command line -----------------------------------------------------------------------------------------------------


def test_the_command_prints_a_front_and_writes_all_rows(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    run = searched_run(tmp_path / "run")
    found = call("measure", run.path, "--foresee", "20", "--rounds", "5", "--space", TOY_FILE)
    assert all(one.latency.rounds % 5 == 0 for one in read_latencies(run, PROBES))
    assert "Latency as foreseen" in found.out and "From 20 networks" in found.out
    rows = read_results(run).rows
    frame = pd.read_csv(run.path / module.FORESEEN)
    assert frame["id"].tolist() == [row.id for row in rows] and (frame["low"] <= frame["high"]).all()
    told = json.loads(call("measure", run.path, "--foresee", "20", "--json", "--space", TOY_FILE).out)
    assert len(told["rows"]) == len(rows) and told["quality"]["rows"] == 20
    assert any(row["front"] for row in told["rows"])
    for option in (("--int8",), ("-c", "#0"), ("--weight-bits", "8", "--int8")):
        refused(call("measure", run.path, "--foresee", "20", *option, "--space", TOY_FILE), "--foresee", "every row")
