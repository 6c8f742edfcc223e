"""Transformer encoder block, for inputs that are tokens.

It normalises by layer norm: each token by itself, so that no statistics have to be gathered again for a candidate.
"""

from __future__ import annotations

from torch import Tensor, nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import check_positive
from mtnas.space.operators._tokens import tokens_of
from mtnas.space.operators.attention import SelfAttention
from mtnas.space.shapes import Shape


class Encoder(nn.Module):
    """Attention, then two linear layers, the input added around each (arXiv 2010.11929, eq. 2-3).

    (B, tokens, width) -> (B, tokens, width).
    """

    def __init__(self, tokens: int, width: int, heads: int, head_width: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = max(1, round(width * mlp_ratio))
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(tokens, width, heads, head_width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        y: Tensor = x + self.mlp(self.mlp_norm(x))
        return y


def encoder(heads: int, mlp_ratio: float = 4, *, head_width: int = 8) -> Operator:
    """Transformer encoder block. Elastic: ``elastic(encoder, heads=(1, 2, 3), mlp_ratio=(1, 2))`` (arXiv 2107.00651).

    Smaller settings use the first heads and the first hidden channels.

    Args:
        heads: number of heads.
        mlp_ratio: width of the hidden layer over that of the tokens.
        head_width: of each head; all settings of an elastic block need the same, or a head would be cut in two.
    """
    check_positive(heads=heads, mlp_ratio=mlp_ratio, head_width=head_width)
    return lambda shape: Encoder(*tokens_of(shape), heads, head_width, mlp_ratio)


def token_skip() -> Operator:
    """The tokens as they are: beside encoders, that is how depth is searched."""

    def make(shape: Shape) -> nn.Module:
        tokens_of(shape)
        return nn.Identity()

    return make
