"""Layers in integers: how fast they are beside float on this CPU, and whether they compute what they should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import FLOAT, INT8, W4A8, W7A8, Architecture, Candidate, Tree, notation
from mtnas.evaluation import recalibrate
from mtnas.exporting.agreement import agreement
from mtnas.onnx_graphs import SessionNetwork, calibrate, convert, open_session, quantize, saturates
from mtnas.onnx_graphs.calibrate import feeds_of
from mtnas.progress import progress
from mtnas.quantizing import fake_quantized, gather_ranges
from mtnas.space.block import Block, Operator
from mtnas.space.data import Batch
from mtnas.space.operators import conv, dense, inverted_residual
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Shape
from mtnas.space.task_types import classification
from mtnas.supernet import BranchedNetwork, SuperNetwork
from mtnas.targets import MeasureSettings, OnnxRuntime, measure
from mtnas.targets.hardware import hardware
from mtnas.targets.onnx_runtime import OpenFile

ABOUT = (
    "Networks of equal layers with batch norm and ReLU, random weights, audited files run by onnxruntime on one thread,"
    " CPU time, interleaved rounds. Baseline: the float file of the same network. W8A8: weights and activations of 8"
    " bits; W7A8: weights of 7 bits in bytes; W4A8: of 4, packed. plain: 8 bits without session.x64quantprecision,"
    " which is not exact where the CPU adds products up in 16 bits; wide: with it, which mtnas does only there. times:"
    " as fast as float. off: mean difference of a file's outputs from their"
    " simulation in torch, as a share of the largest output; bars: those of what is used, at most 0.01, as exports ask."
)

LAYERS = 4
PLAIN, WIDE = "plain W8A8", "wide W8A8"


@dataclass(frozen=True)
class Case:
    """Layers of one kind."""

    name: str
    operator: Operator
    shape: tuple[int, ...]

    def network(self, seed: int) -> BranchedNetwork:
        """With batch-norm statistics of its inputs."""
        blocks = tuple(Block(f"layer{number}", {"only": self.operator}) for number in range(LAYERS))
        supernet = SuperNetwork(SearchSpace([classification("task", 2)], blocks), self.inputs(4, seed), seed=seed)
        network = supernet.extract(Architecture(Tree(((0,),) * LAYERS), (("only",),) * LAYERS))
        recalibrate(network, [(self.inputs(64, seed), {})])
        return network

    def inputs(self, samples: int, seed: int) -> Tensor:
        x = torch.randn(samples, *self.shape, generator=torch.Generator().manual_seed(seed))
        return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def grouped(channels: int, groups: int) -> Operator:
    """3x3 convolutions of some channels each, with batch norm and ReLU."""

    def make(shape: Shape) -> nn.Module:
        layer = nn.Conv2d(shape[0], channels, 3, padding=1, groups=groups, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU())

    return make


CASES = (
    Case("3x3 convolution, 16 channels", conv(16, 3), (16, 32, 32)),
    Case("3x3 convolution, 32 channels", conv(32, 3), (32, 16, 16)),
    Case("3x3 convolution, 64 channels", conv(64, 3), (64, 16, 16)),
    Case("3x3 convolution, 128 channels", conv(128, 3), (128, 8, 8)),
    Case("1x1 convolution, 64 channels", conv(64, 1), (64, 16, 16)),
    Case("1x1 convolution, 256 channels", conv(256, 1), (256, 8, 8)),
    Case("inverted residual, 16 channels", inverted_residual(16, 3, 6), (16, 28, 28)),
    Case("inverted residual, 64 channels", inverted_residual(64, 3, 6), (64, 14, 14)),
    Case("inverted residual 5x5, 64 channels", inverted_residual(64, 5, 6), (64, 14, 14)),
    Case("3x3 in 4 groups of 16 channels", grouped(64, 4), (64, 16, 16)),
    Case("3x3 in 16 groups of 4 channels", grouped(64, 16), (64, 16, 16)),
    Case("linear, 64 features", dense(64), (64,)),
    Case("linear, 512 features", dense(512), (512,)),
)


def rows_of(case: Case, batches: tuple[int, ...], seed: int, settings: MeasureSettings) -> Iterator[dict[str, Any]]:
    """A row for each number of samples that are run at once."""
    network, held_out = case.network(seed), case.inputs(64, seed + 1)
    graph = convert(network, held_out)
    file_ranges, ranges = calibrate(graph, [held_out]), gather_ranges(network, [(held_out, {})])
    contents, off = {notation(FLOAT): graph.content}, {}
    for bits in (INT8, W7A8, W4A8):
        candidate = Candidate.uniform(network.architecture, bits)
        contents[notation(bits)] = content = quantize(graph, candidate, file_ranges).content
        with fake_quantized(network, candidate.policy, ranges):
            test: list[Batch] = [(case.inputs(64, seed + 2), {})]
            ways = {notation(bits): None, **({PLAIN: False, WIDE: True} if bits == INT8 else {})}
            for name, exact in ways.items():
                off[name] = agreement(SessionNetwork(graph, open_session(content, exact=exact)), network, test).mean
    for batch in batches:
        x = case.inputs(batch, seed)
        sessions = {name: open_session(content) for name, content in contents.items()}
        sessions |= {
            name: open_session(contents[notation(INT8)], exact=exact) for name, exact in ((PLAIN, False), (WIDE, True))
        }
        runs = {name: OpenFile(session, graph.outputs, feeds_of(graph, x)) for name, session in sessions.items()}
        found = measure(runs, None, settings, OnnxRuntime().clock())
        ms = {name: latency.ms for name, latency in found.items()}
        row: dict[str, Any] = {"layers": case.name, "batch": batch, "seed": seed, "float, ms": ms[notation(FLOAT)]}
        row |= {f"{name}, times": ms[notation(FLOAT)] / ms[name] for name in off}
        yield row | {f"{name}, off": value for name, value in off.items()}


def measure_all(options: Options) -> Report:
    torch.set_num_threads(1)
    settings = MeasureSettings(rounds=4, block_ms=1) if options.quick else MeasureSettings()
    cpu = f"{hardware(torch.device('cpu'))}, whose sums {'overflow' if saturates() else 'do not overflow'}"
    report = Report(f"{ABOUT} Here: {cpu}; `--int8` means {notation(OnnxRuntime().integers)}.")
    report.about += "\n--quick: its figures mean little" if options.quick else ""
    cases, batches = (CASES[:2], (1,)) if options.quick else (CASES, (1, 32))
    with progress("layers", len(cases) * len(options.seeds)) as advance:
        for case in cases:
            for seed in options.seeds:
                report.rows += rows_of(case, batches, seed, settings)
                advance(case.name)
    for name in map(notation, (INT8, W7A8, W4A8)):
        most = max(row[f"{name}, off"] for row in report.rows)
        report.bars.append(Bar.at_most(f"largest difference of {name} from its simulation", most, 0.01))
    return report


if __name__ == "__main__":
    main("integers", ABOUT, measure_all, seeds=(0, 1, 2))
