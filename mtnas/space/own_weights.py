"""Modules that are made to be different must not train the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import ref

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mtnas.errors import SpaceError


class OwnWeights:
    """What the modules of a space train, and whose it is.

    Copies of a block are for groups of tasks that parted. A factory that hands out one module again and again, such as
    a stage of a trained backbone, would let them train the same weights, and a network that is to begin anew would go
    on with trained ones. Frozen weights and constants may be shared.
    """

    def __init__(self) -> None:
        # What is made anew goes when it was tried; what somebody hands out again stays.
        self._seen: dict[int, tuple[str, ref[Tensor]]] = {}

    def add(self, where: str, module: nn.Module, again: nn.Module) -> None:
        """Take what one factory made twice.

        Raises:
            SpaceError: if the two have something in common, or one of them with what others made.
        """
        remedy = "make a new one in each call, for example by copy.deepcopy"
        own = {id(tensor): tensor for tensor in _trained(module)}
        if any(id(tensor) in own for tensor in _trained(again)):
            raise SpaceError(
                f"{where} gives the same weights each time it is made, which branches would train together; {remedy}"
            )
        for key, tensor in own.items():
            whose, seen = self._seen.get(key, ("", None))
            if seen is not None and seen() is tensor:
                raise SpaceError(f"{where} has weights in common with {whose}; {remedy}")
        self._seen.update({key: (where, ref(tensor)) for key, tensor in own.items()})


def _trained(module: nn.Module) -> Iterator[Tensor]:
    """Weights that gradients train, and statistics that passes do."""
    for part in module.modules():
        yield from (tensor for tensor in part.parameters(recurse=False) if tensor.requires_grad)
        if isinstance(part, _NormBase):
            yield from part.buffers(recurse=False)
