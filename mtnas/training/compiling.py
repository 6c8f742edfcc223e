"""torch.compile on the operators of a supernetwork."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from mtnas.supernet import SuperNetwork
from mtnas.supernet.operators import OfShapes, Operators

_GRAPHS_PER_MODULE = 16
"""Graphs that one operator may need: training or not, with gradients or not, batches of several sizes."""


@contextmanager
def compiled(supernet: SuperNetwork, wanted: bool) -> Iterator[None]:
    """Compile stem, operators and heads in place meanwhile: each when it is first used; no parameter changes its name.

    Not by `nn.Module.compile`, which leaves torch's own containers, such as `nn.Sequential`, as they are (torch 2.13).

    Args:
        wanted: False: nothing is done.
    """
    if not wanted:
        yield
        return
    import torch._dynamo.config  # slow to import, and seldom needed
    import torch._functorch.config

    modules = [module for module in _parts(supernet) if next(module.parameters(), None) is not None]
    limit = _GRAPHS_PER_MODULE * len(modules)
    # torch counts the graphs of all containers together, and would give up after 8. Buffers that it overwrites in a
    # backward pass do not go with the several passes that gradients of single tasks take.
    with (
        torch._dynamo.config.patch(recompile_limit=limit, accumulated_recompile_limit=limit),
        torch._functorch.config.patch(donated_buffer=False),
    ):
        for module in modules:
            module.forward = torch.compile(module.forward)
        try:
            yield
        finally:
            for module in modules:
                del module.forward  # the class's own is seen again


def _parts(supernet: SuperNetwork) -> Iterator[nn.Module]:
    """The stem, the operators of every copy of every block, and the heads.

    Operators that compute with slices of others' weights stay as they are: they exchange attributes in each pass.
    """
    yield supernet.stem
    for copies in supernet.blocks:
        assert isinstance(copies, nn.ModuleList)
        for operators in copies:
            assert isinstance(operators, Operators)
            yield from operators.whole.values()
    for head in supernet.heads:
        assert isinstance(head, OfShapes)
        yield head.whole
