"""Head for tokens."""

from __future__ import annotations

from torch import Tensor, nn

from mtnas.errors import SpaceError
from mtnas.space.heads import Head, Squeeze
from mtnas.space.operators._tokens import tokens_of
from mtnas.space.shapes import Shape


class TokenMean(nn.Module):
    """(B, T, C) -> (B, C): unlike a class token it leaves T as it is, and every block serves every task alike."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def token_head(outputs: int | None) -> Head:
    """Mean over the tokens, layer norm, linear: inputs (T, C) to outputs (N, outputs).

    `linear_head` takes tokens, too, but has weights for each: it tells where a token lies, and is T times as large.

    Args:
        outputs: number of outputs; None: a single one without its dimension, shape (N,).
    """
    if outputs is not None and outputs < 1:
        raise SpaceError(f"a head's outputs must be at least 1, but is {outputs}")

    def make(shape: Shape) -> nn.Module:
        _, width = tokens_of(shape)
        layers = [TokenMean(), nn.LayerNorm(width), nn.Linear(width, outputs or 1)]
        return nn.Sequential(*layers, *([Squeeze()] if outputs is None else []))

    return make
