"""Latencies: what runs when, what is made of the times, and what a target must keep to. All times are made up."""

from __future__ import annotations

import gc
import json
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count, cycle, groupby
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import INPUTS

from mtnas.architecture import QuantizationPolicy
from mtnas.errors import TargetError
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.targets import (
    Clock,
    CudaClock,
    Latency,
    MeasureSettings,
    Reading,
    Runnable,
    Target,
    ThreadCpuClock,
    TorchEager,
    WallClock,
    busy,
    check_target,
    clock_for,
    is_busy,
    measure,
    read_machine,
)
from mtnas.targets.noise import split_half_noise, undisturbed

WARM_UP = 4
"""Runs before the first round where the warm-up takes no time: the first one, and the least number of timed ones."""

QUICK = MeasureSettings(rounds=8, block_ms=10, warmup_ms=0)

QUIET = Reading(wall=1, own=1, used=1, load=1, processors=4)


@dataclass
class FakeClock(Clock):
    """Shows what the work says that it took."""

    name: ClassVar[str] = "fake time"
    waits: ClassVar[bool] = False
    time: int = 0
    log: list[str] = field(default_factory=list)

    def now(self) -> int:
        return self.time

    def work(self, name: str, *, warm: float = 10, rounds: Callable[[int], float] = lambda index: 10.0) -> Work:
        return Work(self, name, warm, rounds)


@dataclass
class Work:
    """Takes ``warm`` milliseconds at first, then ``rounds(index)`` in every round, if a block is one run."""

    clock: FakeClock
    name: str
    warm: float
    rounds: Callable[[int], float]
    runs: int = 0

    def __call__(self) -> None:
        # Within a round: one run that is not timed, and one that is.
        index = (self.runs - WARM_UP) // 2
        self.clock.time += round(1e6 * (self.warm if index < 0 else self.rounds(index)))
        self.clock.log.append(self.name)
        self.runs += 1


def measured(
    works: Mapping[str, Callable[[], object]],
    clock: Clock,
    reference: Callable[[], object] | None = None,
    settings: MeasureSettings = QUICK,
    **more: Any,
) -> dict[str, Latency]:
    return measure(works, reference, settings, clock, **{"read": lambda: QUIET, **more})


# Rounds ----------------------------------------------------------------------------------------------------------


def orders(seed: int, rounds: int = 8) -> list[tuple[str, ...]]:
    """Names in the order in which they ran, for every round."""
    clock = FakeClock()
    works = {name: clock.work(name, warm=10 / repeats, rounds=lambda _: 5.0) for name, repeats in REPEATS.items()}
    measured(works, clock, clock.work("reference"), replace(QUICK, seed=seed, rounds=rounds), reference_ms=10)
    log = clock.log[WARM_UP * 4 :]
    length = sum(repeats + 1 for repeats in (*REPEATS.values(), 1))
    assert len(log) == rounds * length
    found = []
    for start in range(0, len(log), length):
        blocks = [(name, len(list(runs))) for name, runs in groupby(log[start : start + length])]
        assert dict(blocks) == {name: 1 + repeats for name, repeats in {**REPEATS, "reference": 1}.items()}
        assert len(blocks) == 4  # each in one piece
        found.append(tuple(name for name, _ in blocks))
    return found


REPEATS = {"a": 1, "b": 2, "c": 5}
"""How often each fits in a block of 10 ms."""


def test_every_round_runs_a_block_of_everything_and_of_the_reference() -> None:
    assert {len(order) for order in orders(seed=0)} == {4}


def test_the_order_is_drawn_anew_for_every_round_and_comes_from_the_seed() -> None:
    assert orders(seed=3) == orders(seed=3) != orders(seed=4)
    found = orders(seed=0, rounds=200)
    assert len(set(found)) == 24  # every order of four
    for name in (*REPEATS, "reference"):  # none is favoured: each comes first in 50 rounds, give or take 4 sigma
        assert abs(sum(order[0] == name for order in found) - 50) < 25


def test_a_block_lasts_at_least_as_long_as_asked() -> None:
    clock = FakeClock()
    measured({"x": clock.work("x", warm=3)}, clock)
    assert len(clock.log) == WARM_UP + QUICK.rounds * (1 + 4)  # 4 x 3 ms is the first multiple of 10 ms or more


def test_the_first_run_of_a_block_is_not_timed() -> None:
    clock = FakeClock()
    runs: list[int] = []

    def colder_at_first() -> None:
        runs.append(len(runs))
        first = len(runs) > WARM_UP and (len(runs) - WARM_UP) % 3 == 1
        clock.time += 99_000_000 if first else 5_000_000

    assert measured({"x": colder_at_first}, clock)["x"].ms == 5


def test_the_garbage_collector_rests_in_rounds_only() -> None:
    clock = FakeClock()
    seen: list[bool] = []
    work = clock.work("x")

    def look() -> None:
        seen.append(gc.isenabled())
        work()

    measured({"x": look}, clock)
    assert seen == [True] * WARM_UP + [False] * (2 * QUICK.rounds) and gc.isenabled()


def test_nothing_to_measure_is_no_error() -> None:
    assert measured({}, FakeClock()) == {}


def test_torch_gets_its_threads_back() -> None:
    clock, work = FakeClock(), FakeClock().work("x")

    def pins() -> None:
        torch.set_num_threads(2)
        clock.time += 10_000_000
        work()

    before = torch.get_num_threads()
    measured({"x": pins}, clock)
    assert torch.get_num_threads() == before


def test_work_that_the_clock_does_not_see_is_an_error() -> None:
    with pytest.raises(TargetError, match=r"^a run of 'x' takes .* ms, but 0 ms of fake time: it works outside this"):
        measured({"x": lambda: None}, FakeClock())


# The thread that measures ------------------------------------------------------------------------------------------


def test_everything_is_run_by_one_thread_that_ends() -> None:
    clock, seen = FakeClock(), set[threading.Thread]()

    def look() -> None:
        seen.add(threading.current_thread())
        clock.time += 10_000_000

    measured({"x": look, "y": look}, clock, look, reference_ms=10)
    (thread,) = seen
    assert thread is not threading.current_thread() and not thread.is_alive()


def test_an_error_of_a_run_is_raised_where_it_is_measured() -> None:
    clock, runs = FakeClock(), count()

    def breaks() -> None:
        clock.time += 10_000_000
        if next(runs) > 10:
            raise ZeroDivisionError("in a run")

    with pytest.raises(ZeroDivisionError, match="^in a run$"):
        measured({"x": breaks}, clock)
    assert gc.isenabled()


def test_ctrl_c_ends_measuring() -> None:
    clock, runs = FakeClock(), count()

    def interrupted() -> None:
        clock.time += 10_000_000
        if next(runs) == 1000:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        measured({"x": interrupted}, clock, settings=replace(QUICK, rounds=10**9))
    assert not any(thread.name == "mtnas measuring" for thread in threading.enumerate())
    assert gc.isenabled()


# Correction by the reference ---------------------------------------------------------------------------------------


@given(slow=st.lists(st.sampled_from([0.5, 1, 1.25, 2, 8]), min_size=8, max_size=8), ms=st.sampled_from([10, 20]))
def test_a_slow_phase_that_meets_all_alike_cancels_exactly(slow: list[float], ms: float) -> None:
    clock = FakeClock()
    works = {
        "one": clock.work("one", rounds=lambda index: 4 * slow[index]),
        "two": clock.work("two", rounds=lambda index: 6 * slow[index]),
    }
    reference = clock.work("reference", rounds=lambda index: ms * slow[index])
    found = measured(works, clock, reference, replace(QUICK, most_slowed=None), reference_ms=ms)
    assert found["one"].ms == pytest.approx(4) and found["two"].ms == pytest.approx(6)
    assert found["one"].noise == pytest.approx(0, abs=1e-12)


def test_what_disturbs_most_rounds_but_not_all_leaves_nothing_behind() -> None:
    clock = FakeClock()
    undisturbed = (3, 17)
    works = {"x": clock.work("x", rounds=lambda index: 5.0 if index in undisturbed else 9 + index)}
    assert measured(works, clock, settings=replace(QUICK, rounds=20))["x"].ms == 5


def test_the_median_is_told_where_it_is_asked_for() -> None:
    clock = FakeClock()
    works = {"x": clock.work("x", rounds=lambda index: float(index))}
    assert measured(works, clock, settings=replace(QUICK, rounds=21, quantile=0.5))["x"].ms == 10


def test_timings_are_short_and_fill_a_block() -> None:
    clock = FakeClock()
    slow = iter([0.25] * WARM_UP + 8 * [9.0, 0.25, 0.25, 1.75, 0.25, 0.25])  # the first of a block is not timed

    def work() -> None:
        clock.time += round(1e6 * next(slow))

    settings = replace(QUICK, block_ms=1.25, timing_ms=0.2, quantile=1)
    assert measured({"x": work}, clock, settings=settings)["x"].ms == 1.75  # every run by itself
    slow = iter([0.25] * WARM_UP + 8 * [9.0, 0.25, 0.25, 1.75, 0.25])
    settings = replace(settings, block_ms=1, timing_ms=0.5)
    assert measured({"x": work}, clock, settings=settings)["x"].ms == 1  # two at a time


@pytest.mark.parametrize("slowness", [1, 3])
def test_given_what_the_reference_should_take_calls_on_a_slower_machine_agree(slowness: float) -> None:
    clock = FakeClock()
    works = {"x": clock.work("x", rounds=lambda _: 5 * slowness)}
    reference = clock.work("reference", rounds=lambda _: 10 * slowness)
    assert measured(works, clock, reference, reference_ms=10)["x"].ms == pytest.approx(5)


def test_a_reference_and_what_it_should_take_come_together() -> None:
    with pytest.raises(TargetError, match="^reference_ms is 2, but there is no reference; give one, or leave it out$"):
        measured({}, FakeClock(), reference_ms=2)
    with pytest.raises(
        TargetError, match="^there is a reference, but no reference_ms; give what it should take, or no"
    ):
        measured({}, FakeClock(), lambda: None)
    with pytest.raises(TargetError, match="^reference_ms must be above 0, but is 0$"):
        measured({}, FakeClock(), lambda: None, reference_ms=0)


@pytest.mark.parametrize(
    ("quiet_at", "most_slowed", "most_rounds", "rounds"),
    [(0, 0.02, None, 4), (9, 0.02, None, 12), (99, 0.02, None, 32), (99, 0.02, 10, 10), (99, 0.5, None, 4)],
)
def test_rounds_are_added_while_the_reference_is_slow(
    quiet_at: int, most_slowed: float, most_rounds: int | None, rounds: int
) -> None:
    clock = FakeClock()
    settings = replace(QUICK, rounds=4, quantile=0, most_slowed=most_slowed, most_rounds=most_rounds)
    reference = clock.work("reference", rounds=lambda index: 10.0 if index >= quiet_at else 12)
    works = {"x": clock.work("x", rounds=lambda index: 5.0 if index >= quiet_at else 7)}
    found = measured(works, clock, reference, settings, reference_ms=10)["x"]
    assert found.rounds == rounds
    # Never quiet, the figure is as good as the reference can make it, and said to be of a busy machine.
    assert found.ms == pytest.approx(5 if quiet_at < rounds else 7 / 1.2)
    assert found.busy is (quiet_at >= rounds)


# Noise -----------------------------------------------------------------------------------------------------------


def test_a_low_quantile_of_all_timings_is_told() -> None:
    times = np.arange(100.0).reshape(20, 5)
    assert undisturbed(times, 0) == 0 and undisturbed(times, 0.5) == 49.5
    assert undisturbed(times, 0.05) == pytest.approx(4.95)


def test_constant_times_have_no_noise() -> None:
    times = np.full((30, 4), 1.7)
    assert split_half_noise(times, None, 0.05, seed=0) == 0 == split_half_noise(times, 2 * times, 0.05, seed=0)


def test_rounds_at_two_levels_have_the_noise_of_their_halves() -> None:
    # Of 6 rounds, 9 in 10 splits put one slow and two fast rounds in one half and the reverse in the other. The medians
    # are then the two levels: (3 - 1) / (3 + 1), and 1.4826 makes it a deviation.
    times = np.array([[1.0], [3]] * 3)
    assert split_half_noise(times, None, 0.5, seed=0) == pytest.approx(1.4826 * 2 / 4)


def test_what_is_slow_in_the_same_rounds_as_its_standard_has_no_noise() -> None:
    slow = np.array([[1.0], [2], [1], [5], [3], [4]])
    assert split_half_noise(slow, 3 * slow, 0.5, seed=0) == pytest.approx(0)
    assert split_half_noise(slow, np.ones_like(slow), 0.5, seed=0) > 0.1


@pytest.mark.parametrize("rounds", [20, 31, 100])
@pytest.mark.parametrize("quantile", [0.05, 0.5])
def test_the_noise_is_the_deviation_of_the_number_itself(rounds: int, quantile: float) -> None:
    rng = np.random.default_rng(0)
    times = 1 + 0.05 * rng.standard_normal((400, rounds, 5))
    noises = [split_half_noise(row, None, quantile, seed=0) for row in times]
    assert np.mean(noises) == pytest.approx(np.std([undisturbed(row, quantile) for row in times]), rel=0.15)


def test_one_wild_round_is_no_noise() -> None:
    assert split_half_noise(np.array([[1.0]] * 29 + [[50]]), None, 0.05, seed=0) == 0


def settles(index: int) -> float:
    """Two levels in the first six rounds, then one."""
    return 14.0 if index in (1, 3, 5) else 10.0


@pytest.mark.parametrize(
    ("target_noise", "most_rounds", "rounds"),
    [(None, 300, 6), (1.0, 300, 6), (0.001, 300, 12), (0.001, 10, 10), (0.001, 6, 6)],
)
def test_rounds_are_added_until_the_noise_is_reached(target_noise: float | None, most_rounds: int, rounds: int) -> None:
    clock = FakeClock()
    settings = replace(QUICK, rounds=6, quantile=0.5, target_noise=target_noise, most_rounds=most_rounds)
    works = {"x": clock.work("x", rounds=settles), "steady": clock.work("steady")}
    found = measured(works, clock, settings=settings)
    assert found["x"].rounds == found["steady"].rounds == rounds
    assert len(clock.log) == 2 * (WARM_UP + 2 * rounds)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"rounds": 3}, "rounds must be at least 4, but is 3"),
        ({"rounds": 4.5}, "rounds must be a whole number, but is 4.5"),
        ({"block_ms": 0}, "block_ms must be above 0, but is 0"),
        ({"warmup_ms": -1}, "warmup_ms must be at least 0, but is -1"),
        ({"seed": -1}, "seed must be at least 0, but is -1"),
        ({"target_noise": 0}, "target_noise must be above 0, but is 0"),
        ({"most_rounds": 29}, "most_rounds must be at least 30, but is 29"),
        ({"timing_ms": 0}, "timing_ms must be above 0, but is 0"),
        ({"quantile": 1.5}, "quantile must lie between 0 and 1, but is 1.5"),
        ({"most_slowed": -0.1}, "most_slowed must be at least 0, but is -0.1"),
    ],
)
def test_bad_settings_get_a_sentence(bad: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TargetError) as caught:
        MeasureSettings(**bad)
    assert str(caught.value) == sentence


# A busy machine ------------------------------------------------------------------------------------------------------


def later(**change: float | None) -> Reading:
    """Ten seconds after `QUIET`, all of which one thread of ours worked; changed as told."""
    return replace(Reading(wall=11, own=11, used=11, load=1, processors=4), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (later(), False),
        (later(used=18), False),  # others used 7 of 40 seconds
        (later(used=20), True),  # 9 of 40
        (later(own=1 + 9.2), False),
        (later(own=1 + 8.9), True),  # waited for more than a second of ten
        (later(used=None, load=1.7), False),
        (later(used=None, load=1.9), True),
        (later(used=18, load=4), False),  # the load average lags: it counts only where nothing better is known
        (later(used=None, load=None), False),
        (later(wall=1, own=1, used=9), False),  # no time has passed
    ],
)
def test_a_machine_is_busy_where_others_work_or_we_wait(after: Reading, expected: bool) -> None:
    assert is_busy(QUIET, after, one_thread=True) is expected


def test_waiting_is_no_sign_where_work_waits_by_itself() -> None:
    assert not is_busy(QUIET, later(own=2, used=2), one_thread=False)
    assert is_busy(QUIET, later(own=2, used=2), one_thread=True)


@pytest.mark.parametrize(("after", "expected"), [(later(), False), (later(used=40), True)])
def test_a_latency_says_that_the_machine_was_busy(after: Reading, expected: bool) -> None:
    clock, readings = FakeClock(), iter([QUIET, after])
    found = measured({"x": clock.work("x")}, clock, read=lambda: next(readings))["x"]
    assert found.busy is expected


@pytest.mark.parametrize("waits", [False, True])
def test_a_clock_that_waits_makes_waiting_no_sign(waits: bool) -> None:
    clock = type("OtherClock", (FakeClock,), {"waits": waits})()
    readings = iter([QUIET, later(own=2, used=2)])
    assert measured({"x": clock.work("x")}, clock, read=lambda: next(readings))["x"].busy is not waits


def test_this_machine_can_be_read() -> None:
    before, after = read_machine(), read_machine()
    assert before.processors >= 1 and after.wall >= before.wall and after.own >= before.own >= 0
    if before.used is not None and after.used is not None:
        assert after.used >= before.used > 0


def test_a_machine_without_proc_or_load_average_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> str:
        raise OSError

    monkeypatch.setattr(busy.Path, "read_text", missing)
    monkeypatch.setattr(busy.os, "getloadavg", missing)
    found = read_machine()
    assert found.used is None and found.load is None


# Latency ---------------------------------------------------------------------------------------------------------

numbers = st.floats(0, 1e6, exclude_min=True)
latencies = st.builds(
    Latency, numbers, st.floats(0, 3), st.integers(1, 1000), st.sampled_from(["wall time", "x"]), st.booleans()
)


@given(latencies)
def test_a_latency_survives_json(latency: Latency) -> None:
    assert Latency.from_json(json.loads(json.dumps(latency.to_json()))) == latency


@pytest.mark.parametrize(
    ("latency", "text"),
    [
        (Latency(1.2345, 0.0176, 30, "thread CPU time", False), "1.23 ms ± 1.8 % (thread CPU time, 30 rounds)"),
        (Latency(0.0156, 0, 4, "wall time", True), "0.0156 ms ± 0.0 % (wall time, 4 rounds, busy machine)"),
        (Latency(123.4, 0.2, 4, "wall time", False), "123 ms ± 20.0 % (wall time, 4 rounds)"),
        (Latency(4321.9, 0.2, 4, "wall time", False), "4322 ms ± 20.0 % (wall time, 4 rounds)"),
    ],
)
def test_a_latency_reads_well(latency: Latency, text: str) -> None:
    assert str(latency) == text


@pytest.mark.parametrize(
    "value",
    [{}, {"ms": "fast"}, {"ms": -1, "noise": 0, "rounds": 4, "clock": "x", "busy": False}],
)
def test_what_is_no_latency_is_an_error(value: dict[str, Any]) -> None:
    with pytest.raises(TargetError):
        Latency.from_json(value)


# Clocks ------------------------------------------------------------------------------------------------------------


def test_one_thread_of_the_cpu_is_timed_by_its_cpu_time_and_nothing_else_is() -> None:
    assert clock_for("cpu", 1) == ThreadCpuClock()
    assert clock_for("cpu", 2) == WallClock()
    assert clock_for("cuda:1", 1) == CudaClock("cuda:1")


@pytest.mark.parametrize("clock", [ThreadCpuClock(), WallClock()])
def test_clocks_do_not_go_back(clock: Clock) -> None:
    times = [clock.now() for _ in range(100)]
    assert times == sorted(times)


# torch -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(space: SearchSpace) -> nn.Module:
    first = next(iter(space.architectures.architectures()))
    return SuperNetwork(space, torch.randn(2, INPUTS)).extract(first).eval()


@pytest.fixture
def example() -> Tensor:
    return torch.randn(3, INPUTS, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_torch_runs_the_network_on_as_many_samples_as_asked(network: nn.Module, example: Tensor, batch: int) -> None:
    outputs = TorchEager(batch=batch).prepare(network, QuantizationPolicy(), example)()
    assert isinstance(outputs, dict)
    with torch.no_grad():
        expected = network(torch.cat([example, example])[:batch])
    assert outputs.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(outputs[name], value)


def test_torch_runs_a_copy_in_evaluation_mode() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train()
    x = torch.ones(1, 2)
    runnable = TorchEager().prepare(network, QuantizationPolicy(), x)
    first = runnable()
    assert isinstance(first, Tensor) and not first.requires_grad and network.training
    with torch.no_grad():
        network[0].weight.zero_()
    assert torch.equal(runnable(), first)  # type: ignore[arg-type]


class Layout(nn.Module):
    """Tells the memory layout of its input and its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor | Mapping[str, Tensor]) -> Tensor:
        image = x if isinstance(x, Tensor) else x["image"]
        tensors = (image, self.conv.weight)
        return torch.tensor([float(t.is_contiguous(memory_format=torch.channels_last)) for t in tensors])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_torch_keeps_the_memory_layout_of_the_example(channels_last: bool, named: bool) -> None:
    x = torch.randn(2, 3, 8, 8)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    example = {"image": x, "age": torch.ones(2, 1)} if named else x
    found = TorchEager(batch=3).prepare(Layout(), QuantizationPolicy(), example)()
    assert torch.equal(found, torch.full((2,), float(channels_last)))  # type: ignore[arg-type]


def test_torch_runs_with_the_threads_that_it_says() -> None:
    seen: list[int] = []

    class Look(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.get_num_threads())
            return x

    target = TorchEager(threads=2)
    runnable = target.prepare(Look(), QuantizationPolicy(), torch.ones(1))
    before = torch.get_num_threads()
    measure({"x": runnable}, None, MeasureSettings(rounds=4, block_ms=0.001, warmup_ms=0), WallClock())
    assert set(seen) == {2} and torch.get_num_threads() == before


def test_a_closed_network_does_not_run(network: nn.Module, example: Tensor) -> None:
    runnable = TorchEager().prepare(network, QuantizationPolicy(), example)
    runnable.close()
    with pytest.raises(TargetError, match="^a network was run after it was closed$"):
        runnable()


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"threads": 0}, "threads must be at least 1, but is 0"),
        ({"batch": 0}, "batch must be at least 1, but is 0"),
        ({"device": "toaster"}, "device must be a torch device such as cpu or cuda, but is 'toaster'"),
    ],
)
def test_a_bad_torch_target_gets_a_sentence(bad: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TargetError) as caught:
        TorchEager(**bad)
    assert str(caught.value) == sentence


def test_a_missing_device_gets_a_sentence(network: nn.Module, example: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TargetError, match="^target torch on cuda needs a CUDA device, but torch finds none$"):
        TorchEager(device="cuda").prepare(network, QuantizationPolicy(), example)


def test_a_target_measures_a_network_beside_its_reference(network: nn.Module, example: Tensor) -> None:
    target = TorchEager()
    runnables = {"network": target.prepare(network, QuantizationPolicy(), example)}
    settings = MeasureSettings(rounds=4, block_ms=0.01, warmup_ms=0)
    found = measure(runnables, target.reference(), settings, target.clock(), reference_ms=100)["network"]
    assert found.clock == "thread CPU time" and found.rounds == 4


def test_the_reference_is_always_the_same_and_draws_nothing() -> None:
    torch.manual_seed(1)
    first = TorchEager().reference()()
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), drawn)
    second = TorchEager().reference()()
    assert isinstance(first, dict) and isinstance(second, dict)
    assert torch.equal(first["reference"], second["reference"]) and first["reference"].std() > 0


# The contract ------------------------------------------------------------------------------------------------------


class Run:
    """Runs a function on an example."""

    def __init__(self, function: Callable[[Any], object], x: Any) -> None:
        self.function, self.x, self.closed = function, x, False

    def __call__(self) -> object:
        with torch.no_grad():
            return self.function(self.x)

    def close(self) -> None:
        self.closed = True


class Own(Target):
    """What a user writes."""

    name = "own"

    def __init__(self) -> None:
        self.made: list[Run] = []

    def describe(self) -> dict[str, Any]:
        return {"runtime": "own", "version": "1", "device": "cpu", "threads": 1, "batch": 1}

    def can_run(self, bits: tuple[int, int]) -> bool:
        return bits in {(32, 32), (8, 8)}

    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        self.made.append(Run(network, example))
        return self.made[-1]


class SaysNothing(Own):
    def describe(self) -> dict[str, Any]:
        return {"runtime": "own", "device": "cpu", "threads": 1}


class SaysNoJson(Own):
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "device": torch.device("cpu")}


class SaysTuples(Own):
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "cores": (0, 1)}


class SaysOtherwise(Own):
    count = cycle(range(10))

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "count": next(self.count)}


class SaysOtherwiseOnceUsed(Own):
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "networks": len(self.made)}


class Nameless(Own):
    name = ""


class NoFloat(Own):
    def can_run(self, bits: tuple[int, int]) -> bool:
        return bits == (8, 8)


class Random(Own):
    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        return Run(lambda x: {name: value + torch.rand(()) for name, value in network(x).items()}, example)


class OneShared(Own):
    """Writes every run's outputs into the same memory."""

    def __init__(self, zeros: Callable[[int], Any]) -> None:
        super().__init__()
        self.zeros = zeros

    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        memory = self.zeros(1)

        def run(x: Any) -> object:
            memory[:] += 1
            return [memory]

        return Run(run, example)


class Shapeless(Own):
    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        sizes = cycle([1, 2])
        return Run(lambda x: np.zeros(next(sizes)), example)


class Silent(Own):
    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        return Run(lambda x: None, example)


class Empty(Own):
    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        return Run(lambda x: [], example)


class TakesAll(Own):
    def prepare(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        return self.load(network, policy, example)


class Mumbles(Own):
    def prepare(self, network: nn.Module, policy: QuantizationPolicy, example: Any) -> Runnable:
        if policy.entries:
            raise TargetError("no")
        return self.load(network, policy, example)


def test_honest_targets_pass(network: nn.Module, example: Tensor) -> None:
    own = Own()
    eight = QuantizationPolicy.of({(0, 0): (8, 8)})
    check_target(own, network, example, policies=[QuantizationPolicy(), eight])
    assert len(own.made) == 2 and all(run.closed for run in own.made)
    check_target(TorchEager(), network, example)
    check_target(TorchEager(threads=2, batch=4), network, example)


def test_checking_a_target_leaves_the_threads_of_torch(network: nn.Module, example: Tensor) -> None:
    before = torch.get_num_threads()
    check_target(TorchEager(threads=before + 1), network, example)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (SaysNothing(), "must name version, batch, but is"),
        (SaysNoJson(), "must be JSON, but is"),
        (SaysTuples(), "must be the same read back, but is"),
        (SaysOtherwise(), "must describe itself always alike, but said"),
        (SaysOtherwiseOnceUsed(), "must describe itself always alike, but said"),
        (Nameless(), "the name of a target must be text, but is ''"),
        (NoFloat(), "must run float"),
        (Random(), "must return equal outputs for equal inputs, but two runs differ"),
        (OneShared(np.zeros), "must return equal outputs for equal inputs, but two runs differ"),
        (
            OneShared(lambda size: torch.zeros(size, dtype=torch.float64)),
            "must return equal outputs for equal inputs, but two runs differ",
        ),
        (Shapeless(), "must return equal outputs for equal inputs, but two runs differ"),
        (Silent(), "must return tensors or arrays, but returns a NoneType"),
        (Empty(), "must return the network's outputs, but returns none"),
        (TakesAll(), "must refuse W32A16 with a TargetError, as its can_run says, but prepared it"),
        (Mumbles(), "must name W32A16 and float where it refuses W32A16, but says: no"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Target) else "",
)
def test_a_target_that_breaks_a_promise_is_caught(
    target: Target, sentence: str, network: nn.Module, example: Tensor
) -> None:
    with pytest.raises(TargetError) as caught:
        check_target(target, network, example)
    assert sentence in str(caught.value)


def test_bits_that_a_target_does_not_run_are_refused(network: nn.Module, example: Tensor) -> None:
    policy = QuantizationPolicy.of({(0, 0): (8, 8), (1, 0): (4, 16)})
    sentence = "target own does not run W4A16, which the policy asks of node (1, 0); it runs float, W8A8"
    with pytest.raises(TargetError) as caught:
        Own().prepare(network, policy, example)
    assert str(caught.value) == sentence
    with pytest.raises(TargetError, match=r"^target torch on cpu does not run W8A8, .*; it runs float$"):
        TorchEager().prepare(network, policy, example)
