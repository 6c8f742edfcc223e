"""A search of architecture and bits: rows say what the integer file computes, the front's latencies are confirmed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_space
from toy_runs import call, refused, supernet, trained_run

from mtnas.architecture import FLOAT, INT8, SIZE, W4A8, W7A8, Candidate
from mtnas.errors import RunError, SearchError
from mtnas.evaluation import CandidateErrors, extract, task_errors
from mtnas.latency import LATENCY, Latency
from mtnas.quantizing import fake_quantized, gather_ranges, network_bytes, wire
from mtnas.results import MEAN_ERROR, pick
from mtnas.runs import Run, fork_run, read_results
from mtnas.runs.latencies import keep_latencies, read_latencies, read_reference
from mtnas.searching import SearchSettings, search, workers
from mtnas.targets import MeasureSettings, OnnxRuntime, TorchEager

pytest.importorskip("onnxruntime")

QUICK = MeasureSettings(rounds=4, block_ms=0.05, warmup_ms=0)
OBJECTIVES = (MEAN_ERROR, LATENCY, SIZE)
JOINT = SearchSettings(
    evaluations=14,
    objectives=OBJECTIVES,
    precisions=(FLOAT, INT8),
    startup=4,
    batch=4,
    threads=1,
    measuring=QUICK,
    confirming=QUICK,
)
DATA = toy_space.data(None)
SPACE = toy_space.space


def searched(run: Run, settings: SearchSettings = JOINT, **more: Any) -> Any:
    return search(SPACE, DATA, run, settings, show_progress=False, **more)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was searched for candidates, latencies and sizes; not to be changed."""
    run = trained_run(tmp_path_factory.mktemp("joint") / "run")
    searched(run)
    return run


def copied(run: Run, path: Path) -> Run:
    return Run(shutil.copytree(run.path, path))


# Rows -------------------------------------------------------------------------------------------------------------


def test_rows_are_what_the_integer_file_computes(once: Run) -> None:
    results = read_results(once)
    assert len(results.rows) == 14 and len({row.candidate for row in results.rows}) == 14
    quantized = [row for row in results.rows if row.candidate.policy.nodes]
    assert len(quantized) >= 3
    example, _ = DATA.example()
    for row in quantized:
        network = extract(supernet(), row.candidate.architecture, DATA)
        with fake_quantized(network, row.candidate.policy, gather_ranges(network, DATA.range_batches())):
            errors = task_errors(network, SPACE.tasks, DATA.valid_batches())
        assert {task.name: row.costs[f"error/{task.name}"] for task in SPACE.tasks} == errors
        assert row.costs[SIZE] == network_bytes(network, row.candidate.policy, wire(network, example)) / 1024


def test_the_corner_networks_in_float_come_first(once: Run) -> None:
    results = read_results(once)
    corners = results.corner_rows()
    assert len(corners) == len(results.corners) and {row.number for row in corners.values()} == set(range(len(corners)))


def test_every_front_member_was_measured_again(once: Run) -> None:
    confirmed = {one.candidate: one.latency.ms for one in read_latencies(once)}
    front = read_results(once).front()
    assert front
    assert all(confirmed[row.candidate] == row.costs[LATENCY] for row in front)
    assert read_reference(once, read_latencies(once)[0].target) is not None


def test_the_first_latency_stays_in_the_study_with_its_noise(once: Run) -> None:
    import optuna

    study = optuna.load_study(study_name=None, storage=f"sqlite:///{once.study}")
    trials = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    measured = [Latency.from_json(trial.user_attrs["latency"]) for trial in trials]
    assert len(measured) == 14
    assert [latency.ms for latency in measured] == [trial.values[1] for trial in trials]


def test_a_newer_latency_on_the_same_target_counts(once: Run, tmp_path: Path) -> None:
    run = copied(once, tmp_path / "run")
    first = read_results(run).front()[0]
    known = read_latencies(run)[0]
    keep_latencies(run, known.target, 1.0, {first.candidate: replace(known.latency, ms=123.0)})
    assert read_results(run).find(first.id).costs[LATENCY] == 123.0
    keep_latencies(run, {**known.target, "threads": 2}, 1.0, {first.candidate: replace(known.latency, ms=5.0)})
    assert read_results(run).find(first.id).costs[LATENCY] == 123.0


def test_a_lucky_latency_does_not_stay_on_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured again turns out slower: all that is shown on the front in the end was measured again."""
    counts: dict[Candidate, int] = {}

    def made(_: Any, candidates: Sequence[Candidate], *rest: Any, anchor: float) -> Iterator[tuple[Candidate, Latency]]:
        for candidate in candidates:
            counts[candidate] = counts.get(candidate, 0) + 1
            ms = (1 + int(candidate.id, 16) % 97 / 97) * (3 if counts[candidate] > 1 else 1)
            yield candidate, Latency(ms, 0.01, 4, "made", False)

    monkeypatch.setattr(workers, "latencies", made)
    results = searched(trained_run(tmp_path / "run"), replace(JOINT, evaluations=20))
    front = results.front()
    assert front and all(counts[row.candidate] == 2 for row in front)
    assert all(row.costs[LATENCY] >= 3 for row in front)
    assert max(counts.values()) == 2


# Going on ---------------------------------------------------------------------------------------------------------


def test_a_search_whose_rows_are_counted_otherwise_now_does_not_go_on(
    once: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if another version of mtnas had measured them, which gave other layers bits."""
    run = copied(once, tmp_path / "run")
    monkeypatch.setattr("mtnas.quantizing.bytes._PER_CHANNEL", 6)
    with pytest.raises(RunError, match=r"with size_kib = .* is counted as .* now: another version of mtnas"):
        searched(run, replace(JOINT, evaluations=17))


def test_a_search_goes_on_with_the_same_command(once: Run, tmp_path: Path) -> None:
    run = copied(once, tmp_path / "run")
    before = read_results(run).rows
    results = searched(run, replace(JOINT, evaluations=17))
    assert [row.candidate for row in results.rows[:14]] == [row.candidate for row in before]
    assert len(results.rows) == 17 and len({row.candidate for row in results.rows}) == 17


def test_a_search_goes_on_whatever_the_order_of_its_precisions(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    settings = SearchSettings(objectives=(MEAN_ERROR, SIZE), startup=4, threads=1)
    orders = (FLOAT, INT8, W4A8), (W4A8, FLOAT, INT8)
    for evaluations, precisions in zip((7, 9), orders, strict=True):
        results = searched(run, replace(settings, evaluations=evaluations, precisions=precisions))
    assert len(results.rows) == 9 and run.manifest.section("search")["precisions"] == [list(one) for one in orders[0]]


def test_a_finished_search_measures_nothing_more(once: Run, tmp_path: Path) -> None:
    run = copied(once, tmp_path / "run")
    before = (run.path / "latencies.json").read_bytes()
    assert searched(run) == read_results(once)
    assert (run.path / "latencies.json").read_bytes() == before


def test_a_budget_on_latency_holds_by_what_was_confirmed(once: Run, tmp_path: Path) -> None:
    run = copied(once, tmp_path / "run")
    limit = sorted(row.costs[LATENCY] for row in read_results(run).rows)[7]
    results = searched(run, replace(JOINT, evaluations=16, budgets={LATENCY: limit}))
    front = results.front()
    assert front and all(row.costs[LATENCY] <= limit for row in front)
    assert {row.candidate for row in front} <= {one.candidate for one in read_latencies(run)}


def test_no_candidate_over_a_budget_on_size_is_measured(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    limit = 2.2
    results = searched(run, replace(JOINT, objectives=(MEAN_ERROR, SIZE), budgets={SIZE: limit}, evaluations=20))
    corners = {row.candidate for row in results.corner_rows().values()}
    rest = [row for row in results.rows if row.candidate not in corners]
    assert len(rest) >= 12 and all(row.costs[SIZE] <= limit for row in rest)
    assert LATENCY not in results.rows[0].costs and not (run.path / "latencies.json").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"precisions": (FLOAT,)}, "search.precisions"),
        ({"target": TorchEager(), "precisions": (FLOAT,)}, "search."),
        ({"objectives": (MEAN_ERROR, LATENCY)}, "search.objectives"),
    ],
)
def test_another_search_needs_another_run(once: Run, tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    run = copied(once, tmp_path / "run")
    with pytest.raises(RunError, match=sentence):
        searched(run, replace(JOINT, **change))
    assert read_results(run) == read_results(once)


# Bad input --------------------------------------------------------------------------------------------------------


def test_bits_that_the_target_does_not_run_are_refused(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    with pytest.raises(SearchError, match="target torch.* does not run W8A8.* or search without latency_ms"):
        searched(run, replace(JOINT, target=TorchEager()))
    assert "search" not in run.manifest.read()


def test_a_size_that_nothing_reaches_names_the_smallest(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    with pytest.raises(SearchError, match=r"budget size_kib <= 0.1: the smallest reachable size_kib is \d\.\d+"):
        searched(run, replace(JOINT, budgets={SIZE: 0.1}))


@pytest.mark.parametrize("precisions", [(INT8,), (FLOAT, FLOAT), ()])
def test_precisions_without_float_or_twice_are_refused(precisions: Any) -> None:
    with pytest.raises(SearchError, match="precisions must differ and hold"):
        SearchSettings(precisions=precisions)


@pytest.mark.parametrize("precisions", [(8, 32), ((8, 8, 8), FLOAT), "int8"])
def test_precisions_that_are_no_pairs_are_refused(precisions: Any) -> None:
    with pytest.raises(SearchError, match=r"precisions must be pairs .* such as \(8, 8\)"):
        SearchSettings(precisions=precisions)


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(SearchError, match="target must be a mtnas.targets.Target"):
        SearchSettings(target="onnxruntime")  # type: ignore[arg-type]


def test_a_cache_below_nothing_is_refused() -> None:
    with pytest.raises(SearchError, match="cache_mib"):
        SearchSettings(cache_mib=-1)


# Warm start -------------------------------------------------------------------------------------------------------


def test_rows_under_policies_begin_another_search(once: Run, tmp_path: Path) -> None:
    other = Run(shutil.copytree(trained_run(tmp_path / "trained").path, tmp_path / "other"))
    results = searched(other, replace(JOINT, evaluations=10), warm_start=read_results(once))
    assert len(results.rows) == 10
    again = searched(other, replace(JOINT, evaluations=12))
    assert len(again.rows) == 12


def test_rows_without_latency_do_not_begin_a_search_for_it(once: Run, tmp_path: Path) -> None:
    plain = trained_run(tmp_path / "plain")
    earlier = searched(plain, SearchSettings(evaluations=8, startup=4, threads=1))
    with pytest.raises(SearchError, match="have no latency_ms, which is an objective or has a budget here"):
        searched(trained_run(tmp_path / "run"), warm_start=earlier)
    within = SearchSettings(objectives=(MEAN_ERROR, "params"), budgets={LATENCY: 50.0}, target=TorchEager())
    with pytest.raises(SearchError, match="have no latency_ms"):
        searched(trained_run(tmp_path / "within"), within, warm_start=earlier)
    sized = replace(JOINT, objectives=(MEAN_ERROR, SIZE), evaluations=9)
    assert len(searched(trained_run(tmp_path / "sized"), sized, warm_start=earlier).rows) == 9


# Errors under policies --------------------------------------------------------------------------------------------


def test_float_candidates_are_judged_as_before(once: Run) -> None:
    from mtnas.evaluation import InheritedErrors

    whole, plain = CandidateErrors(supernet(), DATA), InheritedErrors(supernet(), DATA)
    for row in read_results(once).rows[:6]:
        architecture = row.candidate.architecture
        assert whole(Candidate(architecture)) == plain(architecture)


# The command line -------------------------------------------------------------------------------------------------


def test_the_command_line_searches_bits(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    objectives = [text for name in OBJECTIVES for text in ("-o", name)]
    done = call("search", str(run.path), "--int8", *objectives, "-n", "8")
    assert done.code == 0, done.err
    assert "latency ms" in done.out and "size KiB" in done.out and "weight bits" in done.out
    known = run.manifest.section("search")
    assert (
        known["precisions"] == [[32, 32], list(OnnxRuntime().integers)] and known["target"]["runtime"] == "onnxruntime"
    )
    again = call("search", str(run.path), "-n", "9")
    assert again.code == 0, again.err
    assert len(read_results(run).rows) == 9
    picked = call("pick", str(run.path), "-b", "latency_ms=1000", "--json")
    assert picked.code == 0 and json.loads(picked.out)["costs"]["latency_ms"] <= 1000
    assert call("plot", str(run.path)).code == 0


def test_the_command_line_goes_on_with_the_bits_that_it_began_with(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    other = next(bits for bits in (INT8, W7A8) if bits != OnnxRuntime().integers)
    refused(call("search", str(run.path), "--weight-bits", "7", "-n", "8"), "--weight-bits 7", "give --int8 with it")
    begun = call("search", str(run.path), "--int8", "--weight-bits", str(other[0]), "-o", "size_kib", "-n", "8")
    assert begun.code == 0, begun.err
    for more in ([], ["--int8"]):
        again = call("search", str(run.path), *more, "-n", "9")
        assert again.code == 0, again.err
        assert run.manifest.section("search")["precisions"] == [[32, 32], list(other)]


def test_the_command_line_lets_every_node_have_weights_of_8_or_4_bits(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    refused(call("search", str(run.path), "--int8", "--weight-bits", "6", "-n", "8"), "have 8, 7, 4 bits")
    both = [
        "--int8",
        "--weight-bits",
        "8",
        "--weight-bits",
        "4",
        "-o",
        "error/mean",
        "-o",
        "latency_ms",
        "-o",
        "size_kib",
    ]
    done = call("search", str(run.path), *both, "-n", "12")
    assert done.code == 0, done.err
    assert run.manifest.section("search")["precisions"] == [[32, 32], [8, 8], [4, 8]]
    rows = read_results(run).rows
    assert {bits for row in rows for _, bits in row.candidate.policy.entries} == {INT8, W4A8}
    judge = CandidateErrors(supernet(), DATA)
    row = max(rows, key=lambda row: sum(bits == W4A8 for _, bits in row.candidate.policy.entries))
    assert judge(row.candidate) == {task.name: row.costs[f"error/{task.name}"] for task in toy_space.space.tasks}
    again = call("search", str(run.path), "-n", "13")
    assert again.code == 0, again.err


def test_pick_takes_budgets_on_size_and_latency(once: Run) -> None:
    results = read_results(once)
    limit = sorted(row.costs[SIZE] for row in results.rows)[5]
    assert pick(results, budgets={SIZE: limit}).costs[SIZE] <= limit


# Forks ------------------------------------------------------------------------------------------------------------


def test_a_fork_has_the_supernetwork_and_no_search(once: Run, tmp_path: Path) -> None:
    forked = fork_run(once, tmp_path / "deep" / "fork")
    assert forked.seed == once.seed
    assert forked.checkpoint.read_bytes() == once.checkpoint.read_bytes()
    assert {"search", "study", "reference"}.isdisjoint(forked.manifest.read())
    assert not forked.study.exists() and not (forked.path / "latencies.json").exists()
    results = searched(forked, SearchSettings(evaluations=6, startup=4, threads=1))
    assert len(results.rows) == 6 and read_results(once).objectives == OBJECTIVES


def test_nothing_is_left_of_a_fork_that_fails(once: Run, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    with pytest.raises(RunError, match="exists already"):
        fork_run(once, new)
    assert not list(new.iterdir())
    with pytest.raises(RunError, match="has no supernetwork yet"):
        fork_run(Run(tmp_path / "empty"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_command_line_forks(once: Run, tmp_path: Path) -> None:
    done = call("fork", str(once.path), str(tmp_path / "fork"))
    assert done.code == 0 and Run(tmp_path / "fork").checkpoint.exists()
    refused(call("fork", str(once.path), str(tmp_path / "fork")), "exists already")
