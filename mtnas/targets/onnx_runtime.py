"""Latency of what is shipped: the ONNX file under its policy, run by onnxruntime."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from mtnas.architecture import FLOAT, INT8, W7A8, Architecture, Bits, Candidate, QuantizationPolicy
from mtnas.errors import TargetError
from mtnas.limits import check_number
from mtnas.onnx_graphs import FloatGraph, Ranges, audit, calibrate, convert, open_session, quantize, saturates
from mtnas.onnx_graphs.calibrate import feeds_of
from mtnas.onnx_graphs.packages import onnxruntime
from mtnas.onnx_graphs.quantize import RUNNING
from mtnas.onnx_graphs.session import CPU
from mtnas.space.shapes import Input
from mtnas.supernet import BranchedNetwork
from mtnas.targets.examples import batch_of
from mtnas.targets.hardware import hardware
from mtnas.targets.target import Runnable, Target

_Converted = tuple[FloatGraph, Ranges]


@dataclass(frozen=True)
class OnnxRuntime(Target):
    """onnxruntime, in float and in 8-bit integers. What is measured was audited: int8 means that it ran in int8.

    Weights may have 7 bits instead, which run faster on x86 CPUs without VNNI, see `W7A8`, or 4, which take half the
    room, see `W4A8`.

    Weights and ranges make no difference to latency, so that a network is converted once and its policies are made of
    that: a second one takes hundredths of a second.

    Args:
        threads: CPU threads.
        batch: samples that are run at once.
        provider: execution provider of onnxruntime.
        keep: converted networks that are kept.
    """

    threads: int = 1
    batch: int = 1
    provider: str = CPU
    keep: int = 64
    _converted: OrderedDict[Any, _Converted] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        check_number(TargetError, "threads", self.threads, at_least=1, whole=True)
        check_number(TargetError, "batch", self.batch, at_least=1, whole=True)
        check_number(TargetError, "keep", self.keep, at_least=1, whole=True)
        offered = onnxruntime().get_available_providers()
        if self.provider not in offered:
            raise TargetError(
                f"provider {self.provider} is not offered by this onnxruntime; it has {', '.join(offered)}"
            )

    @property
    def name(self) -> str:
        return f"onnxruntime on {self.provider.removesuffix('ExecutionProvider')}"

    def describe(self) -> dict[str, Any]:
        device = "cuda" if self.provider.startswith(("CUDA", "Tensorrt")) else "cpu"
        return {
            "runtime": "onnxruntime",
            "version": version("onnxruntime"),
            "provider": self.provider,
            "device": device,
            "hardware": hardware(torch.device(device)),
            "threads": self.threads,
            "batch": self.batch,
            "saturates": device == "cpu" and saturates(),  # sessions then take another way
        }

    def can_run(self, bits: Bits) -> bool:
        return bits in (*RUNNING, FLOAT)

    @property
    def integers(self) -> Bits:
        return W7A8 if self.provider == CPU and saturates() else INT8

    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Input) -> Runnable:
        x = batch_of(example, self.batch)
        graph, ranges = self._convert(network, example)
        content = graph.content
        if isinstance(network, BranchedNetwork) and policy.nodes:
            candidate = Candidate(network.architecture, policy)
            quantized = quantize(graph, candidate, ranges)
            audit(graph, quantized, threads=self.threads, providers=(self.provider,))
            content = quantized.content
        elif policy.nodes:
            raise TargetError(f"a policy needs a network with nodes, but this is a {type(network).__name__}")
        session = open_session(content, threads=self.threads, providers=(self.provider,))
        return OpenFile(session, graph.outputs, feeds_of(graph, x))

    def _convert(self, network: nn.Module, example: Input) -> _Converted:
        architecture: Architecture | None = getattr(network, "architecture", None)
        tensors = example.items() if isinstance(example, Mapping) else [("", example)]
        key = (
            architecture,
            repr(network),
            tuple(type(part) for part in network.modules()),  # one that was defined anew is another
            tuple((name, tuple(x.shape), x.dtype) for name, x in network.state_dict().items()),
            tuple((name, tuple(x.shape[1:]), x.dtype) for name, x in tensors),
        )
        if key not in self._converted:
            graph = convert(network, example)
            self._converted[key] = graph, calibrate(graph, [example])
            while len(self._converted) > self.keep:
                self._converted.popitem(last=False)
        self._converted.move_to_end(key)
        return self._converted[key]


class OpenFile:
    """A session and its inputs, ready to be measured."""

    def __init__(self, session: Any, outputs: tuple[str, ...], feeds: Mapping[str, Any]) -> None:
        self.session, self.outputs, self.feeds = session, list(outputs), dict(feeds)

    def __call__(self) -> object:
        if self.session is None:
            raise TargetError("a network was run after it was closed")
        return self.session.run(self.outputs, self.feeds)

    def close(self) -> None:
        self.session = None
