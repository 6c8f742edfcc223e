"""A supernetwork that can go to another process."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.supernet.supernet import SuperNetwork


class PortableSupernet:
    """A supernetwork with its weights as arrays, which processes of a machine may share.

    Here it is the supernetwork itself; handed to another process, it becomes one there.

    Args:
        supernet: trained. One of a class of its own is made there as any other is, of its space and a dry run.
    """

    def __init__(self, supernet: SuperNetwork) -> None:
        self._supernet: SuperNetwork | None = supernet
        self._kind = type(supernet)
        self._space: SearchSpace = supernet.space
        self._found: DryRun = supernet.found
        self._weights: dict[str, NDArray[Any]] = {}

    @property
    def travelled(self) -> bool:
        """Whether this is another process than the supernetwork's own."""
        return self._supernet is None

    def __getstate__(self) -> dict[str, Any]:
        if self._supernet is None:
            return self.__dict__
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in self._supernet.state_dict().items()}
        return {**self.__dict__, "_supernet": None, "_weights": weights}

    def get(self, device: torch.device) -> SuperNetwork:
        """The supernetwork, in evaluation mode; in another process than its own, a new one.

        Parameters of a new one use the memory of the arrays, which may be read-only: it is not to be trained, networks
        that are extracted from it are. Buffers, such as batch-norm statistics, are its own.

        Args:
            device: of a new one.
        """
        if self._supernet is not None:
            return self._supernet
        supernet = self._kind(self._space, self._found)
        parameters = {name for name, _ in supernet.named_parameters()}
        tensors = {
            name: _shared(array) if name in parameters else torch.from_numpy(np.array(array))
            for name, array in self._weights.items()
        }
        supernet.load_state_dict(tensors, assign=True)
        return supernet.to(device).eval()


def _shared(array: NDArray[Any]) -> torch.Tensor:
    """A tensor over an array's memory, which may be read-only: nothing here writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
