"""What a training step of the supernetwork costs, against other ways to learn where to branch; and a whole training."""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.report import Bar, Options, Report, main
from benchmarks.soft_mixture import SoftMixture
from mtnas.architecture import Architecture, Tree
from mtnas.runs import Run
from mtnas.seeds import derive_seed
from mtnas.space.block import Block
from mtnas.space.data import Batch, Data
from mtnas.space.file import load_space_file
from mtnas.space.heads import linear_head
from mtnas.space.operators import residual_conv
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import to_device
from mtnas.space.task_types import classification
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train
from mtnas.training.branch_step import branch_loss
from mtnas.training.distillation import mix_with_teacher
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.sampling import Sandwich
from mtnas.training.schedule import temperature

BLOCKS, WIDTH, SIDE, BATCH = 6, 16, 16, 64
SECONDS, MEMORY_SHARE = 30.0, 0.5
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MEMORY = "max_memory_allocated of CUDA" if DEVICE.type == "cuda" else "bytes saved for backward"

ABOUT = (
    f"Steps: {BLOCKS} residual blocks of width {WIDTH}, one operator each, batch {BATCH} of {SIDE}x{SIDE} images, no"
    " stem. Baseline and unit: one step (forward, backward, AdamW) of the same encoder for a single task, run before"
    " and after each row's; ratio: median over rounds and seeds, with 10% and 90% quantiles, and the seeds' medians."
    " floor: how often a step runs a block, over the blocks; no step can cost less, heads and optimizer come on top."
    " Training: the digits space with its own settings, first seed; baseline and unit: an epoch of hard sharing with"
    " the largest operators on the same batches, run before each; its rows' quantiles are over epochs."
    f" Time: {'CPU time, one thread' if DEVICE.type == 'cpu' else 'of CUDA'}."
    f" memory: {MEMORY}, peak within a step, over that of a hard-sharing step;"
) + (
    " each storage counted once, parameters and buffers left out."
    if DEVICE.type == "cpu"
    else " less what was there before the step."
)

SAMPLED, SPLIT, HARD = "one sampled tree", "fully split tree", "hard sharing"
AIMS = {2: 1.3, 4: 2.0, 8: 3.6}
"""Single-task steps that a sampled tree may cost, by number of tasks: readings of an earlier machine."""


# Time and memory ---------------------------------------------------------------------------------------------------


def clock() -> float:
    """Seconds of CPU time of this process; on CUDA those of the wall clock, once the device has finished."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


class SavedForBackward:
    """Bytes that autograd keeps for backward, now and at most: each storage once, ``modules``' own left out."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        own = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        self.peak = 0
        self._own = {tensor.untyped_storage().data_ptr() for tensor in own}
        self._holders: Counter[int] = Counter()
        self._now = 0

    def of(self, step: Callable[[], object]) -> int:
        """Peak while ``step`` runs."""
        with torch.autograd.graph.saved_tensors_hooks(self._pack, lambda held: held.tensor):
            step()
        return self.peak

    def _pack(self, tensor: Tensor) -> _Held:
        held, storage = _Held(tensor), tensor.untyped_storage()
        if storage.data_ptr() not in self._own:
            if not self._holders[storage.data_ptr()]:
                self._now += storage.nbytes()
                self.peak = max(self.peak, self._now)
            self._holders[storage.data_ptr()] += 1
            weakref.finalize(held, self._release, storage.data_ptr(), storage.nbytes())
        return held

    def _release(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            self._now -= size


@dataclass
class _Held:
    tensor: Tensor


def peak_memory(step: Callable[[], object], modules: Iterable[nn.Module]) -> int:
    """Bytes of one step in the sense of `MEMORY`."""
    if DEVICE.type == "cpu":
        return SavedForBackward(modules).of(step)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


# Steps -------------------------------------------------------------------------------------------------------------


def encoder(tasks: int) -> SearchSpace:
    """The encoder that all steps train, for that many tasks."""
    return SearchSpace(
        [classification(f"task{i}", 10, head=linear_head(10, pool=1)) for i in range(tasks)],
        [Block(f"stage{i}", {"residual": residual_conv(WIDTH)}) for i in range(BLOCKS)],
    )


@dataclass(frozen=True)
class Step:
    """A kind of training step. ``run`` does one and returns how often it ran a block.

    Attributes:
        every: measured in one round out of so many.
        times: steps per round; of sampled trees each is another one.
        left_out: why it is not measured; empty: it is.
    """

    run: Callable[[], int]
    modules: Sequence[nn.Module]
    every: int = 1
    times: int = 1
    left_out: str = ""


class Steps:
    """All kinds of steps of one number of tasks on one batch."""

    def __init__(self, tasks: int, seed: int) -> None:
        self.tasks, self.space = tasks, encoder(tasks)
        self.rng = random.Random(derive_seed(seed, "trees", tasks))
        torch.manual_seed(seed)
        self.x = torch.randn(BATCH, 3, SIDE, SIDE).to(DEVICE, memory_format=torch.channels_last)
        self.labels = {name: torch.randint(10, (BATCH,)).to(DEVICE) for name in self.space.architectures.tasks}
        self.supernet = SuperNetwork(self.space, self.x.cpu(), seed).to(DEVICE).train()
        self.settings = TrainingSettings()
        self.sandwich = Sandwich(
            self.space.architectures,
            self.supernet.found.costs,
            extremes=self.settings.sandwich,
            random_count=self.settings.random_networks,
        )
        self.optimizer = torch.optim.AdamW(self.supernet.weights())

    def reference(self) -> Step:
        """One step of a single task's network."""
        return self._plain([self._network(encoder(1), Tree.shared(1, BLOCKS))])

    def kinds(self, single_seconds: float) -> dict[str, Step]:
        """All kinds by name.

        Args:
            single_seconds: time of the reference, to leave out what would take too long.
        """
        shared, split = Tree.shared(self.tasks, BLOCKS), Tree.split(self.tasks, BLOCKS)
        alone = [self._network(encoder(1), Tree.shared(1, BLOCKS)) for _ in range(self.tasks)]
        return {
            HARD: self._plain([self._network(self.space, shared)]),
            "a network per task": self._plain(alone),
            # The fully split tree comes first, so that the optimizer knows all copies when others are timed.
            SPLIT: Step(lambda: self._tree(split), [self.supernet]),
            SAMPLED: Step(lambda: self._tree(self.space.architectures.draw_tree(self.rng)), [self.supernet], times=3),
            f"sandwich of {2 + self.settings.random_networks}": Step(self._sandwich, [self.supernet]),
            "soft mixture of inputs": self._mixture(False, single_seconds),
            "soft mixture of outputs": self._mixture(True, single_seconds),
        }

    def architecture(self, tree: Tree) -> Architecture:
        return self.space.architectures.draw_options(tree, self.rng)

    def _network(self, space: SearchSpace, tree: Tree) -> nn.Module:
        whole = SuperNetwork(space, self.x.cpu(), self.rng.getrandbits(30))
        return whole.extract(space.architectures.draw_options(tree, self.rng)).to(DEVICE).train()

    def _plain(self, networks: list[nn.Module]) -> Step:
        optimizers = [torch.optim.AdamW(network.parameters()) for network in networks]

        def run() -> int:
            for network, optimizer in zip(networks, optimizers, strict=True):
                optimizer.zero_grad(set_to_none=True)
                self._loss(network(self.x)).backward()
                optimizer.step()
            return len(networks) * BLOCKS

        return Step(run, networks)

    def _mixture(self, of_outputs: bool, single_seconds: float) -> Step:
        network = SoftMixture(self.space, self.x.cpu(), of_outputs=of_outputs).to(DEVICE).train()
        step = self._plain([network])
        steps = network.block_runs / BLOCKS

        def run() -> int:
            step.run()
            return network.block_runs

        left_out = ""
        if steps * single_seconds > SECONDS:
            left_out = f"left out: about {steps * single_seconds:.0f} s a step"
        elif DEVICE.type == "cpu":
            reference = self.reference()
            size = steps * peak_memory(reference.run, reference.modules)
            if size > MEMORY_SHARE * _memory():
                left_out = f"left out: about {size / 2**30:.0f} GiB a step"
        return Step(run, [network], every=2 if of_outputs and self.tasks > 4 else 1, left_out=left_out)

    def _loss(self, outputs: dict[str, Tensor]) -> Tensor:
        total = weighted_sum(self.space.tasks, task_losses(self.space.tasks, outputs, self.labels))
        assert total is not None
        return total

    def _tree(self, tree: Tree) -> int:
        self.optimizer.zero_grad(set_to_none=True)
        self._loss(self.supernet(self.x, self.architecture(tree))).backward()
        self.optimizer.step()
        return tree.node_count

    def _sandwich(self) -> int:
        self.optimizer.zero_grad(set_to_none=True)
        drawn = self.sandwich.draw(lambda: self.space.architectures.draw_tree(self.rng), self.rng)
        teacher: dict[str, Tensor] | None = None
        for architecture in drawn:
            teacher = sandwich_part(
                self.supernet, architecture, self.x, self.labels, teacher, len(drawn), self.settings.distillation
            )
        self.optimizer.step()
        return sum(architecture.tree.node_count for architecture in drawn)


def sandwich_part(
    supernet: SuperNetwork,
    architecture: Architecture,
    x: Any,
    labels: Any,
    teacher: dict[str, Tensor] | None,
    count: int,
    distillation: float,
) -> dict[str, Tensor]:
    """Forward and backward of one of a step's ``count`` sub-networks; returns the teacher, the first one's outputs."""
    tasks = supernet.space.tasks
    outputs = supernet(x, architecture)
    losses = task_losses(tasks, outputs, labels)
    if teacher is None:
        teacher = {name: output.detach() for name, output in outputs.items()}
    else:
        losses = mix_with_teacher(tasks, losses, outputs, teacher, labels, distillation)
    total = weighted_sum(tasks, losses)
    assert total is not None
    (total / count).backward()
    return teacher


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def node_calls(supernet: SuperNetwork, architecture: Architecture, x: Tensor) -> Counter[tuple[int, int]]:
    """How often a forward pass ran every node, by (block, leader), counted by hooks on all nodes there are."""
    calls: Counter[tuple[int, int]] = Counter()
    hooks = []
    for block, choices in enumerate(supernet.space.architectures.blocks):
        for leader in range(len(supernet.space.tasks)):
            for option in choices.options:
                module = supernet.node(block, leader, option)
                hooks.append(module.register_forward_hook(lambda *_, key=(block, leader): calls.update([key])))
    with torch.no_grad():
        supernet(x, architecture)
    for hook in hooks:
        hook.remove()
    return calls


# Rounds ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """One timed step, in single-task steps."""

    seed: int
    round: int
    ratio: float
    runs: int


@dataclass
class Readings:
    """All about one kind of step at one number of tasks."""

    left_out: str = ""
    times: list[Reading] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        return statistics.median(reading.ratio for reading in self.times)

    def floor(self) -> float:
        return statistics.fmean(reading.runs for reading in self.times) / BLOCKS


def measure_steps(tasks: int, rounds: int, seeds: Sequence[int]) -> tuple[dict[str, Readings], float]:
    """Readings of all kinds by name, and the most calls of a node, or calls over nodes, of any sampled tree."""
    found: dict[str, Readings] = defaultdict(Readings)
    worst = 0.0
    for seed in seeds:
        steps = Steps(tasks, seed)
        reference = steps.reference()
        single = [_timed(reference)[0] for _ in range(5)]
        kinds = steps.kinds(statistics.median(single))
        _measure_memory(kinds, found)
        for number in range(rounds):
            _measure_round(kinds, reference, found, seed, number)
        for _ in range(20):
            architecture = steps.architecture(steps.space.architectures.draw_tree(steps.rng))
            calls = node_calls(steps.supernet, architecture, steps.x)
            worst = max(worst, *calls.values(), calls.total() / architecture.tree.node_count)
    return found, worst


def _measure_memory(kinds: dict[str, Step], found: dict[str, Readings]) -> None:
    """One step of each kind, which is a warm-up too."""
    base = 0
    for name, step in kinds.items():
        found[name].left_out = step.left_out
        if not step.left_out:
            sizes = [peak_memory(step.run, step.modules) for _ in range(step.times)]
            base = base or sizes[0]
            found[name].memory += [size / base for size in sizes]


def _measure_round(kinds: dict[str, Step], reference: Step, found: dict[str, Readings], seed: int, number: int) -> None:
    before, _ = _timed(reference)
    for name, step in kinds.items():
        if step.left_out or number % step.every:
            continue
        for _ in range(step.times):
            seconds, runs = _timed(step)
            after, _ = _timed(reference)
            found[name].times.append(Reading(seed, number, 2 * seconds / (before + after), runs))
            before = after


def _timed(step: Step) -> tuple[float, int]:
    begin = clock()
    runs = step.run()
    return clock() - begin, runs


def row(
    unit: str,
    tasks: int,
    what: str,
    values: Sequence[float],
    *,
    per_seed: str = "",
    floor: float = float("nan"),
    memory: float = float("nan"),
    note: str = "",
) -> dict[str, Any]:
    """A row of the table; all have the same columns."""
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9]).tolist() if len(values) else [float("nan")] * 3
    return {
        "unit": unit,
        "tasks": tasks,
        "what": what,
        "ratio": middle,
        "10%": low,
        "90%": high,
        "seeds": per_seed,
        "floor": floor,
        "memory": memory,
        "note": note,
    }


def step_rows(tasks: int, found: dict[str, Readings]) -> list[dict[str, Any]]:
    """Rows of all kinds of steps of one number of tasks."""
    rows = []
    for name, readings in found.items():
        by_seed: dict[int, list[float]] = defaultdict(list)
        for reading in readings.times:
            by_seed[reading.seed].append(reading.ratio)
        rows.append(
            row(
                "single-task step",
                tasks,
                name,
                [reading.ratio for reading in readings.times],
                per_seed=" ".join(f"{statistics.median(ratios):.2f}" for ratios in by_seed.values()),
                floor=readings.floor() if readings.times else float("nan"),
                memory=statistics.median(readings.memory) if readings.memory else float("nan"),
                note=readings.left_out or (_line(readings) if name == SAMPLED else ""),
            )
        )
    return rows


def _line(readings: Readings) -> str:
    """Least-squares line through time over nodes."""
    nodes = np.array([reading.runs for reading in readings.times], float)
    ratios = np.array([reading.ratio for reading in readings.times])
    slope, start = np.polyfit(nodes, ratios, 1)
    explained = np.corrcoef(nodes, ratios)[0, 1] ** 2
    return f"{start:.2f} + {slope:.3f} nodes, R2 {explained:.2f}"


def step_bars(tasks: int, found: dict[str, Readings], calls: float) -> list[Bar]:
    """Bars of one number of tasks."""
    sampled, split = found[SAMPLED], found[SPLIT]
    bars = []
    if tasks in AIMS:
        name = f"T={tasks}: single-task steps of a sampled tree (floor {sampled.floor():.2f})"
        bars.append(Bar.at_most(name, sampled.ratio(), AIMS[tasks]))
    over = statistics.median(reading.ratio * BLOCKS / reading.runs for reading in sampled.times)
    bars.append(Bar.at_most(f"T={tasks}: sampled tree over its floor", over, 1.15))
    whole = {(reading.seed, reading.round): reading.ratio for reading in split.times}
    shares = [reading.ratio / whole[reading.seed, reading.round] for reading in sampled.times]
    bars.append(Bar.at_most(f"T={tasks}: sampled tree over the fully split one", statistics.median(shares), 1.0))
    per_node = [reading.ratio / reading.runs for reading in sorted(sampled.times, key=lambda reading: reading.runs)]
    half = len(per_node) // 2
    growth = statistics.median(per_node[-half:]) / statistics.median(per_node[:half])
    bars.append(Bar.at_most(f"T={tasks}: time per node, larger half of the trees over smaller", growth, 1.1))
    bars.append(Bar(f"T={tasks}: most calls of a node, all calls over nodes", calls, "== 1", calls == 1))
    return bars


# A whole training --------------------------------------------------------------------------------------------------


class HardSharing:
    """Training of the hard-sharing network of the largest operators: what the supernetwork's is measured against."""

    def __init__(self, space: SearchSpace, data: Data, settings: TrainingSettings, seed: int) -> None:
        self.space, self.data, self.settings = space, data, settings
        whole = SuperNetwork(space, data.example()[0], seed)
        tree = Tree.shared(len(space.tasks), len(space.blocks))
        largest = whole.found.costs.uniform(space.architectures, tree, "params", largest=True)
        self.network = whole.extract(largest).to(DEVICE).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.learning_rate)

    def epoch(self, seed: int) -> tuple[float, float]:
        """Train an epoch; seconds of `clock` and of the wall."""
        wall, begin = time.perf_counter(), clock()
        for x, labels in self.data.train_batches(seed):
            self.optimizer.zero_grad(set_to_none=True)
            outputs = self.network(to_device(x, DEVICE))
            total = weighted_sum(self.space.tasks, task_losses(self.space.tasks, outputs, to_device(labels, DEVICE)))
            assert total is not None
            total.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
            self.optimizer.step()
        return clock() - begin, time.perf_counter() - wall


@dataclass
class Epoch:
    """Seconds of one epoch of the supernetwork and of the hard-sharing epoch before it."""

    hard: float
    hard_wall: float
    begin: float
    begin_wall: float
    loading: float = 0.0
    stepped: float = 0.0  # when the last step was done
    total: float = 0.0
    wall: float = 0.0

    @property
    def end(self) -> float:
        """Seconds after the last step: checks and checkpoint."""
        return self.begin + self.total - self.stepped


class WatchedData:
    """Data that notes the times of a trainer's epochs, and trains hard sharing for an epoch before each."""

    def __init__(self, data: Data, hard: HardSharing) -> None:
        self.data, self.hard = data, hard
        self.epochs: list[Epoch] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)

    def train_batches(self, seed: int) -> _WatchedBatches:
        self.close()
        hard, wall = self.hard.epoch(seed)
        self.epochs.append(Epoch(hard, wall, clock(), time.perf_counter()))
        return _WatchedBatches(self.data.train_batches(seed), self.epochs[-1])

    def branch_batches(self, seed: int) -> _WatchedBatches:
        return _WatchedBatches(self.data.branch_batches(seed), self.epochs[-1])

    def close(self) -> None:
        """The last epoch is over."""
        if self.epochs:
            last = self.epochs[-1]
            last.total, last.wall = clock() - last.begin, time.perf_counter() - last.begin_wall


class _WatchedBatches:
    def __init__(self, batches: Any, epoch: Epoch) -> None:
        self.batches, self.epoch, self.dataset = batches, epoch, batches.dataset

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        begin = clock()
        for batch in self.batches:
            self.epoch.loading += clock() - begin
            yield batch
            begin = clock()
            self.epoch.stepped = begin


class Parts:
    """Time of the parts of a training step, by doing what the trainer does, part by part."""

    def __init__(
        self, supernet: SuperNetwork, data: Data, settings: TrainingSettings, hard: HardSharing, seed: int
    ) -> None:
        self.supernet, self.data, self.settings, self.hard = supernet, data, settings, hard
        self.rng, self.generator = random.Random(seed), torch.Generator().manual_seed(seed)
        self.sandwich = Sandwich(
            supernet.space.architectures,
            supernet.found.costs,
            extremes=settings.sandwich,
            random_count=settings.random_networks,
        )
        self.optimizer = torch.optim.AdamW(supernet.weights(), lr=1e-5)
        self.branch_optimizer = torch.optim.Adam(supernet.branch_points.parameters(), lr=1e-5)
        self.temperature = temperature(0.5, settings.temperature_start, settings.temperature_end)

    def epoch(self, branching: bool, seed: int) -> dict[str, float]:
        """Time of every part in an epoch over that of a hard-sharing epoch next to it."""
        spent: dict[str, float] = defaultdict(float)
        hard, _ = self.hard.epoch(seed)
        others = iter(list(self.data.branch_batches(seed)) * self.settings.branch_every)
        names = ["largest network", "smallest network"] if self.settings.sandwich else []
        names += ["random networks"] * self.settings.random_networks
        self.supernet.train()
        for index, (x, labels) in enumerate(self.data.train_batches(seed)):
            x, labels = to_device(x, DEVICE), to_device(labels, DEVICE)
            begin = clock()
            self.optimizer.zero_grad(set_to_none=True)
            drawn = self.sandwich.draw(lambda: self._tree(branching), self.rng)
            begin = _note(spent, "drawing", begin)
            teacher: dict[str, Tensor] | None = None
            for name, architecture in zip(names, drawn, strict=True):
                teacher = sandwich_part(
                    self.supernet, architecture, x, labels, teacher, len(drawn), self.settings.distillation
                )
                begin = _note(spent, name, begin)
            nn.utils.clip_grad_norm_(self.supernet.weights(), self.settings.gradient_clip)
            begin = _note(spent, "gradient clip", begin)
            self.optimizer.step()
            begin = _note(spent, "optimizer", begin)
            if branching and index % self.settings.branch_every == 0:
                x, labels = next(others)
                begin = clock()
                self._branch_step(to_device(x, DEVICE), to_device(labels, DEVICE))
                _note(spent, "branch points", begin)
        return {name: seconds / hard for name, seconds in spent.items()}

    def _tree(self, branching: bool) -> Tree:
        if not branching:
            return self.sandwich.shared
        if self.rng.random() < self.settings.random_trees:
            return self.supernet.space.architectures.draw_tree(self.rng)
        return self.supernet.branch_points.sample(self.temperature, self.generator).tree

    def _branch_step(self, x: Any, labels: Any) -> None:
        sample = self.supernet.branch_points.sample(self.temperature, self.generator)
        self.branch_optimizer.zero_grad(set_to_none=True)
        branch_loss(
            self.supernet,
            x,
            labels,
            sample,
            self.rng,
            target_cost=self.settings.target_cost,
            resource_weight=self.settings.resource_weight,
        ).total.backward()
        self.branch_optimizer.step()


def _note(spent: dict[str, float], name: str, begin: float) -> float:
    now = clock()
    spent[name] += now - begin
    return now


def measure_training(quick: bool, seed: int) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Rows on the digits' training and its parts.

    Quick: 3 epochs, scaled by the phases' shares of all epochs. Too short for the branch points to learn, so that trees
    stay larger than in a whole training; it has no bar.
    """
    chosen = load_space_file(Path(__file__).parent.parent / "search_spaces" / "digits.py")
    space, data = chosen.space, chosen.data(None)
    shipped = replace(chosen.setting("training", TrainingSettings()), threads=1, device=DEVICE.type)
    settings = replace(shipped, epochs=3) if quick else shipped
    hard = HardSharing(space, data, settings, seed)
    hard.epoch(seed)
    watched = WatchedData(data, hard)
    with tempfile.TemporaryDirectory() as folder:
        supernet = train(space, watched, Run(folder, seed), settings, show_progress=False)  # type: ignore[arg-type]
        watched.close()
    parts = Parts(supernet, data, settings, hard, seed)
    first = round(settings.epochs * settings.shared_warmup)
    shared = round(shipped.epochs * shipped.shared_warmup) / shipped.epochs
    rows, total, wall = [], 0.0, 0.0
    for branching, share, epochs in (
        (False, shared, watched.epochs[:first]),
        (True, 1 - shared, watched.epochs[first:]),
    ):
        if epochs:
            rows += _phase_rows(len(space.tasks), branching, share, epochs, parts, 1 if quick else 10)
            total += share * sum(epoch.total for epoch in epochs) / sum(epoch.hard for epoch in epochs)
            wall += share * sum(epoch.wall for epoch in epochs) / sum(epoch.hard_wall for epoch in epochs)
    what = f"from {settings.epochs} epochs, trees too large" if quick else "whole training"
    rows.append(row("hard-sharing epoch", len(space.tasks), what, [total], note=f"wall clock: {wall:.2f}"))
    bar = Bar.at_most("digits: whole training in hard-sharing trainings", total, 4.0)
    return rows, [] if quick else [bar]


def _phase_rows(
    tasks: int, branching: bool, share: float, epochs: Sequence[Epoch], parts: Parts, count: int
) -> list[dict[str, Any]]:
    """Rows of one phase of the training and of its parts, which are measured ``count`` epochs long."""
    name, unit = "branching phase" if branching else "shared phase", "hard-sharing epoch"
    ratio = sum(epoch.total for epoch in epochs) / sum(epoch.hard for epoch in epochs)
    rounds = [parts.epoch(branching, number) for number in range(count)]
    values = {part: [spent[part] for spent in rounds] for part in rounds[0]}
    values["loading data"] = [epoch.loading / epoch.hard for epoch in epochs]
    values["end of epoch"] = [epoch.end / epoch.hard for epoch in epochs]
    values["not in these parts"] = [ratio - sum(statistics.median(part) for part in values.values())]
    notes = {part: f"{statistics.median(spent) / ratio:.0%} of {name}" for part, spent in values.items()}
    ratios = [epoch.total / epoch.hard for epoch in epochs]
    return [
        row(unit, tasks, f"{name}, an epoch", ratios, note=f"{share:.0%} of the epochs"),
        *(row(unit, tasks, f"  {part}", spent, note=notes[part]) for part, spent in values.items()),
    ]


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    rounds = {2: 2, 4: 2} if options.quick else {2: 20, 4: 10, 8: 6, 16: 4}
    for tasks, count in rounds.items():
        found, calls = measure_steps(tasks, count, options.seeds[:1] if options.quick else options.seeds)
        report.rows += step_rows(tasks, found)
        report.bars += step_bars(tasks, found, calls)
    rows, bars = measure_training(options.quick, options.seeds[0])
    report.rows += rows
    report.bars += bars
    return report


if __name__ == "__main__":
    main("supernet_cost", ABOUT, measure, seeds=(0, 1, 2))
