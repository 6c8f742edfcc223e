"""Chosen candidates trained on their own."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import plain_space, plain_table, toy_tasks

from mtnas import Data, RefineSettings, Run, SearchSpace, TrainingSettings, refine, train
from mtnas.architecture import Candidate, QuantizationPolicy
from mtnas.errors import QuantizationError, RunError, TrainingError
from mtnas.evaluation import task_errors
from mtnas.pools import InProcess
from mtnas.quantizing import fake_quantized, gather_ranges, settle_weights
from mtnas.refining import RefinedRow, RefinedRows, read_refined
from mtnas.refining.candidate_job import CandidateJob
from mtnas.refining.job import Job
from mtnas.refining.learning_rate import with_learning_rate
from mtnas.refining.quantized_job import QuantizedJob
from mtnas.results import Row, corners, mean_error
from mtnas.supernet import BranchedNetwork

HOW = RefineSettings(epochs=3, patience=3, learning_rate=1e-2, threads=1)


@pytest.fixture
def data(data: Data) -> Data:
    """The shared data; the same samples validate and test."""
    return replace(data, test=data.valid)


@pytest.fixture
def run(tmp_path: Path, space: SearchSpace, data: Data) -> Run:
    run = Run(tmp_path / "run", 0)
    train(space, data, run, TrainingSettings(epochs=1), show_progress=False)
    return run


def chosen(run: Run) -> dict[str, Candidate]:
    return {name: Candidate(a) for name, a in corners(*run.architectures()).items()}


def test_candidates_may_come_one_after_the_other_but_rows_are_none(run: Run, space: SearchSpace, data: Data) -> None:
    hard, *_ = chosen(run).values()
    assert len(refine(space, data, run, iter([hard]), HOW, show_progress=False).rows) == 1
    row: Any = Row(0, hard, {})
    for wrong, told in (([row], "one is a Row"), (row, "are one Row"), ([hard.id], "one is a str")):
        with pytest.raises(TrainingError, match=rf"such as .*row\.candidate.*, but {told}$"):
            refine(space, data, run, wrong, HOW, show_progress=False)


def test_the_kept_weights_have_the_errors_that_are_told(run: Run, space: SearchSpace, data: Data) -> None:
    from mtnas.exporting import load_network

    hard = chosen(run)["hard sharing, largest"]
    (row,) = refine(space, data, run, [hard], HOW, show_progress=False).rows
    network, note = load_network(run.path / "refined" / row.key, space, data.example()[0])
    assert note["how"] == row.how == "fine-tuned"
    assert task_errors(network, space.tasks, data.valid_batches()) == row.valid
    assert row.test == row.valid  # the same samples here
    assert 0 <= row.epoch <= HOW.epochs


def test_fine_tuning_never_ends_worse_on_the_validation_split(run: Run, space: SearchSpace, data: Data) -> None:
    from mtnas import InheritedErrors, load_supernetwork

    hard = chosen(run)["hard sharing, largest"]
    inherited = InheritedErrors(load_supernetwork(space, data, run), data)(hard.architecture)
    awful = replace(HOW, learning_rate=1e3)
    (row,) = refine(space, data, run, [hard], awful, show_progress=False).rows
    assert mean_error(row.valid) <= mean_error(inherited)
    assert row.epoch == 0 and row.valid == inherited


@pytest.mark.parametrize("from_scratch", [False, True])
def test_an_interrupted_refinement_ends_as_an_uninterrupted_one(
    from_scratch: bool, run: Run, space: SearchSpace, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = replace(HOW, from_scratch=from_scratch)
    hard = chosen(run)["hard sharing, largest"]
    whole = Run(tmp_path / "whole", 0)
    train(space, data, whole, TrainingSettings(epochs=1), show_progress=False)
    expected = refine(space, data, whole, [hard], how, show_progress=False).rows

    epochs = []
    usual = CandidateJob._train_epoch

    def stops(self: CandidateJob, *given: object) -> None:
        epochs.append(given)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        usual(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(CandidateJob, "_train_epoch", stops)
    with pytest.raises(KeyboardInterrupt):
        refine(space, data, run, [hard], how, show_progress=False)
    assert refine(space, data, run, [hard], how, show_progress=False).rows == expected
    assert len(epochs) == 1 + HOW.epochs  # the interrupted epoch is begun twice, no other
    assert refine(space, data, run, [hard], how, show_progress=False).rows == expected
    assert len(epochs) == 1 + HOW.epochs


def test_other_settings_are_refused_and_both_starts_stand_side_by_side(
    run: Run, space: SearchSpace, data: Data
) -> None:
    hard = chosen(run)["hard sharing, largest"]
    refine(space, data, run, [hard], HOW, show_progress=False)
    with pytest.raises(RunError, match="was fine-tuned with settings"):
        refine(space, data, run, [hard], replace(HOW, epochs=4), show_progress=False)
    with pytest.raises(RunError, match="was fine-tuned with settings"):  # before anything else is trained
        both = [chosen(run)["single-task, largest"], hard]
        refine(space, data, run, both, replace(HOW, epochs=4), show_progress=False)
    assert len(list((run.path / "refined").iterdir())) == 1
    refine(space, data, run, [hard], replace(HOW, from_scratch=True), show_progress=False)
    assert {row.how for row in read_refined(run).rows} == {"fine-tuned", "from scratch"}
    assert len((run.path / "refined.csv").read_text().splitlines()) == 3


def test_delta_m_is_relative_to_the_single_task_networks_trained_alike(
    run: Run, space: SearchSpace, data: Data
) -> None:
    candidates = chosen(run)
    both = [candidates["hard sharing, largest"], candidates["single-task, largest"]]
    refined = refine(space, data, run, both, HOW, show_progress=False)
    row = {row.candidate: row for row in refined.rows}
    hard, single = row[both[0]], row[both[1]]
    gains = [(single.test[t] - hard.test[t]) / single.test[t] for t in hard.test]
    assert math.isclose(refined.delta_m(hard), sum(gains) / len(gains))
    assert refined.delta_m(single) == 0
    assert math.isnan(refined.delta_m(replace(hard, how="from scratch")))
    assert hard.settings == HOW.to_json()
    assert math.isnan(refined.delta_m(replace(hard, settings=replace(HOW, epochs=9).to_json())))
    quantized = replace(hard, settings=HOW.to_json(quantized=True))
    assert refined.delta_m(quantized) == refined.delta_m(hard)


@pytest.mark.parametrize("copies", [None, 2])
def test_delta_m_of_a_space_with_one_option_a_block_and_with_few_copies(copies: int | None) -> None:
    """Its corners have other names."""
    space = replace(plain_space((True, True), (1, 1)), copies=copies)
    table = plain_table(space)
    errors = [dict.fromkeys(space.tasks, error) for error in (0.3, 0.4)]
    rows = [
        RefinedRow(Candidate(architecture), "fine-tuned", test, test, 1)
        for architecture, test in zip(corners(space, table).values(), errors, strict=True)
    ]
    refined = RefinedRows(space, table, tuple(rows))
    assert [refined.delta_m(row) for row in rows] == pytest.approx([0.25, 0])


def test_small_settings_start_from_scratch_at_their_own_scale(tmp_path: Path, data: Data) -> None:
    """A linear layer of 4 inputs starts within 1/2, one of 64 within 1/8: slices of it would start too small."""
    from mtnas import Block, load_supernetwork
    from mtnas.space.elastic import elastic
    from mtnas.space.operators import dense

    space = SearchSpace(toy_tasks(), [Block(name, elastic(dense, width=(4, 64))) for name in ("first", "second")])
    run = Run(tmp_path / "elastic", 0)
    train(space, data, run, TrainingSettings(epochs=1, threads=1), show_progress=False)
    small, how = chosen(run)["hard sharing, smallest"], replace(HOW, from_scratch=True)
    supernet = load_supernetwork(space, data, run)
    network = CandidateJob(
        space, data, run.path / "refined", run.seed, supernet, small, how, torch.device("cpu")
    )._network()
    weight = next(p for name, p in network.named_parameters() if p.shape == (4, 4))
    assert weight.abs().max() > 1 / 8


def test_training_stops_when_errors_no_longer_fall(
    run: Run, space: SearchSpace, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = chosen(run)["hard sharing, largest"]
    told = iter([0.5, 0.4, 0.6, 0.4, 0.1])
    judged: list[float] = []

    def errors(self: Job, network: BranchedNetwork) -> dict[str, float]:
        judged.append(next(told))
        return dict.fromkeys(("height", "kind", "weight"), judged[-1])

    monkeypatch.setattr(Job, "_errors", errors)
    (row,) = refine(space, data, run, [hard], replace(HOW, epochs=4, patience=2), show_progress=False).rows
    assert judged == [0.5, 0.4, 0.6, 0.4]  # an error that is not lower does not count
    assert row.epoch == 1 and set(row.valid.values()) == {0.4}


def judged_as(told: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let networks be judged so, one judgement after the other, in one of their three tasks; in the others 0.5."""
    left = iter(told)
    monkeypatch.setattr(Job, "_judged", lambda *given: {"height": 0.5, "kind": next(left), "weight": 0.5})


@pytest.mark.parametrize("told", [[math.nan, 0.4, math.inf, 0.3], [0.9, math.nan, -math.inf, 0.3]])
@pytest.mark.parametrize("interrupted", [False, True])
def test_an_epoch_without_finite_errors_is_never_the_best(
    told: list[float], interrupted: bool, run: Run, space: SearchSpace, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = chosen(run)["hard sharing, largest"]
    if interrupted:
        judged_as(told[:3], monkeypatch)
        with pytest.raises(StopIteration):
            refine(space, data, run, [hard], HOW, show_progress=False)
        told = told[3:]
    judged_as([*told, 0.1], monkeypatch)
    (row,) = refine(space, data, run, [hard], HOW, show_progress=False).rows
    assert row.epoch == 3 and row.valid["kind"] == 0.3 and row.test["kind"] == 0.1
    history = json.loads((run.path / "refined" / row.key / "row.json").read_text())["history"]
    assert [epoch["kind"] for epoch in history][1:] == [None, 0.3]
    # A pool's trainings tell how those that are done went.
    assert len(refine(space, data, run, [hard], HOW, pool=InProcess(), show_progress=False).rows) == 1


def test_without_any_finite_errors_task_and_epoch_are_told(
    run: Run, space: SearchSpace, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = chosen(run)["hard sharing, largest"]
    sentence = f"candidate {hard.id} was fine-tuned without an epoch of .* after epoch 3 that of task 'kind' is nan; "
    for _ in range(2):
        judged_as([math.nan] * 4, monkeypatch)
        with pytest.raises(TrainingError, match=sentence):
            refine(space, data, run, [hard], HOW, show_progress=False)
        assert not read_refined(run).rows
    judged_as([0.5] * 5, monkeypatch)  # by an error function that was put right
    assert refine(space, data, run, [hard], HOW, show_progress=False).rows[0].epoch == 0


def test_a_test_error_that_is_not_finite_is_told(
    run: Run, space: SearchSpace, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = chosen(run)["hard sharing, largest"]
    judged_as([0.5, 0.4, 0.6, 0.6, math.nan], monkeypatch)
    with pytest.raises(TrainingError, match="finite errors on the test split: that of task 'kind' is nan"):
        refine(space, data, run, [hard], HOW, show_progress=False)
    judged_as([0.3], monkeypatch)  # all that was left to do
    (row,) = refine(space, data, run, [hard], HOW, show_progress=False).rows
    assert row.epoch == 1 and row.test["kind"] == 0.3


# Candidates under a policy -----------------------------------------------------------------------------------------


def in_int8(candidate: Candidate, bits: tuple[int, int] = (8, 8)) -> Candidate:
    nodes = [(block, group[0]) for block, group in candidate.architecture.tree.nodes()]
    return replace(candidate, policy=QuantizationPolicy.uniform(nodes, *bits))


@pytest.mark.parametrize(("from_scratch", "bits"), [(False, (8, 8)), (True, (8, 8)), (False, (4, 8)), (True, (3, 8))])
def test_a_policy_s_row_says_what_the_integer_file_computes(
    run: Run, space: SearchSpace, data: Data, from_scratch: bool, bits: tuple[int, int]
) -> None:
    from mtnas.exporting import load_network

    candidate = in_int8(chosen(run)["hard sharing, largest"], bits)
    how = replace(HOW, from_scratch=from_scratch, quantized_epochs=2)
    rows = {row.candidate: row for row in refine(space, data, run, [candidate], how, show_progress=False).rows}
    assert set(rows) == {candidate, Candidate(candidate.architecture)}
    row = rows[candidate]
    network, note = load_network(run.path / "refined" / row.key, space, data.example()[0])
    assert note["quantization_aware"] and row.how == ("from scratch" if from_scratch else "fine-tuned")
    with fake_quantized(network, candidate.policy, gather_ranges(network, data.range_batches())):
        found = task_errors(network, space.tasks, data.valid_batches())
    assert row.valid == row.test and found == (row.valid if bits[0] == 8 else pytest.approx(row.valid, rel=1e-4))
    settle_weights(network, candidate.policy, data.range_batches())  # as an export does
    with fake_quantized(network, candidate.policy, gather_ranges(network, data.range_batches())):
        assert task_errors(network, space.tasks, data.valid_batches()) == pytest.approx(row.valid, rel=1e-4)


@pytest.mark.long
def test_few_bits_are_won_back_by_training_with_them(tmp_path: Path, space: SearchSpace, data: Data) -> None:
    """At 2 bits rounding hurts a network that fits its samples; one that was trained with its roundings hurts less."""
    data = replace(data, valid=data.train, test=None)
    run = Run(tmp_path / "run", 0)
    train(space, data, run, TrainingSettings(epochs=1), show_progress=False)
    candidate = in_int8(chosen(run)["hard sharing, largest"], (2, 8))
    how = replace(HOW, epochs=40, patience=40)

    def refined(epochs: int) -> tuple[float, float]:
        copy = Run(shutil.copytree(run.path, tmp_path / str(epochs)))
        settings = replace(how, quantized_epochs=epochs, quantized_learning_rate=1e-2)
        rows = refine(space, data, copy, [candidate], settings, show_progress=False).rows
        errors = {row.candidate: mean_error(row.valid) for row in rows}
        return errors[Candidate(candidate.architecture)], errors[candidate]

    (in_float, rounded), (same, aware) = refined(0), refined(30)
    assert in_float == same and rounded > 1.2 * in_float
    assert aware - in_float < 0.7 * (rounded - in_float)


def test_training_under_a_policy_goes_on_where_it_stopped(
    run: Run, space: SearchSpace, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = in_int8(chosen(run)["hard sharing, smallest"])
    how = replace(HOW, epochs=1, quantized_epochs=3)
    other = Run(shutil.copytree(run.path, run.path.parent / "uninterrupted"))
    whole = refine(space, data, other, [candidate], how, show_progress=False)
    usual, seen = QuantizedJob._train_epoch, []

    def stops(self: QuantizedJob, network: BranchedNetwork, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        if epoch == 2 and epoch not in seen:
            seen.append(epoch)
            raise KeyboardInterrupt
        usual(self, network, optimizer, epoch)

    monkeypatch.setattr(QuantizedJob, "_train_epoch", stops)
    with pytest.raises(KeyboardInterrupt):
        refine(space, data, run, [candidate], how, show_progress=False)
    assert refine(space, data, run, [candidate], how, show_progress=False) == whole
    assert seen == [2]
    for row in whole.rows:
        one, two = ((place.path / "refined" / row.key / "network.safetensors").read_bytes() for place in (run, other))
        assert one == two


def test_other_settings_for_policies_leave_float_rows_alone(run: Run, space: SearchSpace, data: Data) -> None:
    candidate = in_int8(chosen(run)["hard sharing, smallest"])
    refine(space, data, run, [candidate], HOW, show_progress=False)
    changed = replace(HOW, quantized_epochs=1)
    refine(space, data, run, [Candidate(candidate.architecture)], changed, show_progress=False)
    with pytest.raises(RunError, match="quantized_epochs"):
        refine(space, data, run, [candidate], changed, show_progress=False)


def test_a_table_tells_nodes_in_integers_and_compares_with_float_networks(
    run: Run, space: SearchSpace, data: Data
) -> None:
    single = chosen(run)["single-task, largest"]
    refined = refine(space, data, run, [in_int8(single)], replace(HOW, quantized_epochs=0), show_progress=False)
    frame = refined.to_frame().set_index("id")
    nodes = len(single.architecture.tree.nodes())
    assert frame.loc[single.id, "integer_nodes"] == 0 and frame.loc[in_int8(single).id, "integer_nodes"] == nodes
    assert frame.loc[single.id, "delta_m"] == 0


def test_bits_that_integers_do_not_have_are_refused(run: Run, space: SearchSpace, data: Data) -> None:
    candidate = in_int8(chosen(run)["hard sharing, largest"], (16, 8))
    with pytest.raises(QuantizationError, match="the weight of node .* is given 16 bits"):
        refine(space, data, run, [candidate], HOW)
    assert not (run.path / "refined").exists()


# Settings ----------------------------------------------------------------------------------------------------------


def test_starting_from_scratch_ignores_inherited_weights(run: Run, space: SearchSpace, data: Data) -> None:
    from mtnas import load_supernetwork

    hard, how = chosen(run)["hard sharing, largest"], replace(HOW, from_scratch=True)
    supernet = load_supernetwork(space, data, run)
    before = [
        p.clone()
        for p in CandidateJob(space, data, run.path / "refined", run.seed, supernet, hard, how, torch.device("cpu"))
        ._network()
        .parameters()
    ]
    for parameter in supernet.parameters():
        parameter.data.zero_()
    after = (
        CandidateJob(space, data, run.path / "refined", run.seed, supernet, hard, how, torch.device("cpu"))
        ._network()
        .parameters()
    )
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("patience", 0), ("learning_rate", 0), ("threads", -1)])
def test_impossible_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(TrainingError, match=f"^{name} must .*but is {value}"):
        RefineSettings(**{name: value})  # type: ignore[arg-type]


def test_new_weights_learn_as_fast_as_the_supernetwork_did(tmp_path: Path, space: SearchSpace, data: Data) -> None:
    run = Run(tmp_path / "run", 0)
    train(space, data, run, TrainingSettings(epochs=1, learning_rate=3e-3), show_progress=False)
    hard = [chosen(run)["hard sharing, largest"]]
    how = RefineSettings(epochs=1, threads=1)
    refine(space, data, run, hard, how, show_progress=False)
    refine(space, data, run, hard, replace(how, from_scratch=True), show_progress=False)
    rates = {
        path.parent.name.partition("-")[2]: json.loads(path.read_text())["settings"]["learning_rate"]
        for path in (run.path / "refined").glob("*/row.json")
    }
    assert rates == {"fine-tuned": 2e-3, "from-scratch": 3e-3}
    # What was made by default is what was made by naming that rate, and another one would be other settings.
    refine(space, data, run, hard, replace(how, from_scratch=True, learning_rate=3e-3), show_progress=False)
    with pytest.raises(RunError, match="learning_rate': 0.003.*'learning_rate': 0.002"):
        refine(space, data, run, hard, replace(how, from_scratch=True, learning_rate=2e-3), show_progress=False)


@pytest.mark.parametrize("damage", [{"learning_rate": 0}, {"learning_rate": "fast"}, {}])
def test_a_run_that_does_not_tell_how_fast_it_learned_is_damaged(tmp_path: Path, damage: dict[str, Any]) -> None:
    run = Run(tmp_path, 0)
    run.manifest.write("training", damage)
    with pytest.raises(RunError, match="manifest .* is damaged"):
        with_learning_rate(RefineSettings(from_scratch=True), run)
    assert with_learning_rate(RefineSettings(), run).learning_rate == 2e-3


def test_without_a_test_split_there_is_no_test_error(tmp_path: Path, space: SearchSpace, data: Data) -> None:
    data = replace(data, test=None)
    run = Run(tmp_path / "untested", 0)
    train(space, data, run, TrainingSettings(epochs=1), show_progress=False)
    refined = refine(space, data, run, [chosen(run)["single-task, largest"]], HOW, show_progress=False)
    assert not refined.rows[0].test and math.isnan(refined.delta_m(refined.rows[0]))
    assert math.isnan(refined.to_frame()["test/mean"][0])
