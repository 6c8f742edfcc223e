"""How an operator meets its neighbours: conversions between float and integers depend on nothing else of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from mtnas.quantizing.tracing import Trace, trace
from mtnas.quantizing.wiring import chains_of
from mtnas.space.shapes import Input


@dataclass(frozen=True)
class Ends:
    """What reads that which enters an operator, and what makes that which leaves it.

    The default is a single layer, with its batch norm and activation.

    Attributes:
        layers: convolutions and linear layers that read what enters, and run in integers where the policy says so.
        others: other operations that read it, an addition of what enters to the result left out.
        ends_in_layer: whether what leaves comes from a layer that may run in integers.
        adds: whether what leaves is a sum of what enters and of what a layer gives.
        convolutional: whether those layers are convolutions: runtimes keep the tensors between these in an order of
            their own.
    """

    layers: int = 1
    others: int = 0
    ends_in_layer: bool = True
    adds: bool = False
    convolutional: bool = True

    @classmethod
    def of(cls, operator: nn.Module, x: Input) -> Ends:
        """Of an operator.

        Args:
            x: a batch of what enters.
        """
        return cls.seen(trace(operator, x))

    @classmethod
    def seen(cls, seen: Trace) -> Ends:
        """In one pass of an operator."""
        whole = seen.visits[-1]
        chains = chains_of(seen)
        reading = [chain.takes == whole.takes for chain in chains]
        last = [chain.last == whole.gives for chain in chains]
        added = seen.sums.get(_before_clipping(seen, whole.gives), ())
        adds = whole.takes in added and any(chain.last in added for chain in chains)
        readers = 0 if whole.takes is None else seen.readers[whole.takes]
        return cls(
            layers=sum(reading),
            others=max(0, readers - sum(reading) - adds),
            ends_in_layer=any(last),
            adds=adds,
            convolutional=any(not isinstance(chain.layer, nn.Linear) for chain in chains),
        )


def _before_clipping(seen: Trace, value: int | None) -> int:
    """The value that was clipped to give this one, or this one; -1 for none."""
    clipped = (source for source, (after, _) in seen.clips.items() if after == value)
    return next(clipped, -1 if value is None else value)
