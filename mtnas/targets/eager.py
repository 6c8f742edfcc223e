"""Latency of a torch module as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mtnas.architecture import FLOAT_BITS, QuantizationPolicy
from mtnas.errors import TargetError
from mtnas.limits import check_number
from mtnas.space.shapes import Input, to_device
from mtnas.targets.examples import batch_of, is_channels_last
from mtnas.targets.hardware import hardware
from mtnas.targets.target import Runnable, Target


@dataclass(frozen=True)
class TorchEager(Target):
    """torch itself, in float. The time includes no transfer to the device.

    Images are run in the memory layout of the example, channels last or not.

    Args:
        device: torch device.
        threads: CPU threads.
        batch: samples that are run at once.
        compile: run what ``torch.compile`` makes of the network; that takes a C++ compiler and seconds to minutes.
    """

    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    compile: bool = False

    def __post_init__(self) -> None:
        check_number(TargetError, "threads", self.threads, at_least=1, whole=True)
        check_number(TargetError, "batch", self.batch, at_least=1, whole=True)
        try:
            torch.device(self.device)
        except RuntimeError as error:
            raise TargetError(f"device must be a torch device such as cpu or cuda, but is {self.device!r}") from error

    @property
    def name(self) -> str:
        return f"torch{' compiled' if self.compile else ''} on {self.device}"

    def describe(self) -> dict[str, Any]:
        return {
            "runtime": "torch",
            "version": torch.__version__,
            "compiled": self.compile,
            "device": self.device,
            "hardware": hardware(torch.device(self.device)),
            "threads": self.threads,
            "batch": self.batch,
        }

    def can_run(self, bits: tuple[int, int]) -> bool:
        return bits == (FLOAT_BITS, FLOAT_BITS)

    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Input) -> Runnable:
        device = torch.device(self.device)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise TargetError(f"target {self.name} needs a CUDA device, but torch finds none")
        module = copy.deepcopy(network).eval().to(device)
        x = to_device(batch_of(example, self.batch), device)
        if is_channels_last(x):
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        run = torch.compile(module) if self.compile else module
        return _EagerRunnable(run, x, self.threads, device)


class _EagerRunnable:
    def __init__(self, run: Callable[[Input], object], x: Input, threads: int, device: torch.device) -> None:
        self.run: Callable[[Input], object] | None = run
        self.x, self.threads, self.device = x, threads, device

    def __call__(self) -> object:
        if self.run is None:
            raise TargetError("a network was run after it was closed")
        # Set when it differs, and left so: setting and giving back at every run would take 3 microseconds of each.
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        with torch.inference_mode():
            outputs = self.run(self.x)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return outputs

    def close(self) -> None:
        self.run = None
