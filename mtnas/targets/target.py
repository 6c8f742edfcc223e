"""Where latency is measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

from torch import nn

from mtnas.architecture import INT8, Bits, QuantizationPolicy, notation
from mtnas.errors import TargetError
from mtnas.space.shapes import Input
from mtnas.targets.clock import Clock, clock_for
from mtnas.targets.reference import ReferenceNetwork, reference_example

USUAL_BITS = tuple((weights, activations) for weights in (32, 16, 8, 7, 4, 2) for activations in (32, 16, 8))
"""(Weight bits, activation bits) that messages name if a target runs them."""


class Runnable(Protocol):
    """A network that is ready to run on a target."""

    def __call__(self) -> object:
        """Run once, and return the outputs when they are there: tensors or arrays, alone or in dicts and lists.

        Measuring calls it from a thread of its own: what torch keeps for every thread is to be set here.
        """

    def close(self) -> None:
        """Give back what it holds."""


class Target(ABC):
    """A runtime on a device, with so many threads and samples in a batch. Subclass it and pass an instance.

    `check_target` tells whether a subclass keeps its promises.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Name for people. A subclass may as well set it as an attribute."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """All that determines a latency, as JSON: runtime, version, device, threads, batch, and whatever else does.

        ``device`` is a torch device where it is one; latencies under different descriptions are never compared.
        """

    @abstractmethod
    def can_run(self, bits: Bits) -> bool:
        """Whether it executes nodes of (weight bits, activation bits). Float, (32, 32), it must.

        Simulating them in float is not executing them.
        """

    @property
    def integers(self) -> Bits:
        """Bits of the integers that it runs fastest, which are meant where a user asks for 8-bit integers only."""
        return INT8

    @abstractmethod
    def load(self, network: nn.Module, policy: QuantizationPolicy, example: Input) -> Runnable:
        """Get a network ready to run; called by `prepare`, with policies only that it can run.

        Args:
            network: ``forward(x) -> {name: output}``, in evaluation mode; not to be changed.
            policy: bits of the nodes that are not float.
            example: inputs, the batch dimension first, of any number of samples.
        """

    def prepare(self, network: nn.Module, policy: QuantizationPolicy, example: Input) -> Runnable:
        """Get a network ready to run, see `load`.

        Raises:
            TargetError: if the policy has bits that it does not execute.
        """
        for node, bits in policy.entries:
            if not self.can_run(bits):
                runs = ", ".join(notation(known) for known in USUAL_BITS if self.can_run(known))
                raise TargetError(
                    f"target {self.name} does not run {notation(bits)}, which the policy asks of node {node}; it runs"
                    f" {runs or 'none of the usual bits'}"
                )
        return self.load(network, policy, example)

    def clock(self) -> Clock:
        """The clock that is right for it: by its description, CPU time for one thread of this machine's CPU, else wall.

        Override it for a device that torch does not know.
        """
        about = self.describe()
        return clock_for(about["device"], about["threads"])

    def reference(self) -> Runnable:
        """Fixed work to measure beside networks: a small network on this same target, in float.

        In 12 calls on a machine with 2 processors, 6 of them beside two idle loops, the CPU times of three networks
        had a standard deviation of 14 to 21 % on torch and 4 to 17 % on onnxruntime. Over the time of this network on
        the same runtime it was 4 to 5 % and 2 to 9 %; over that of a matrix product, or of this network on the other
        runtime, 7 to 19 % on torch.
        """
        return self.prepare(ReferenceNetwork(), QuantizationPolicy(), reference_example())
