"""Self-attention."""

from __future__ import annotations

import math

from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head self-attention (arXiv 1706.03762, sec. 3.2): (B, tokens, width) -> (B, tokens, width).

    Heads have a width of their own, whatever that of the tokens (arXiv 2107.00651), and lie one after another
    in the layers: fewer heads are the first rows of ``query``, ``key`` and ``value`` and the first columns of ``out``,
    which a single layer for all three would not give. Four layers can also be quantized one by one.

    Args:
        tokens: how many there are, T below.
        width: of a token.
        heads: number of heads.
        head_width: of each head.
    """

    def __init__(self, tokens: int, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.tokens, self.heads, self.head_width = tokens, heads, head_width
        inner = heads * head_width
        self.query = nn.Linear(width, inner)
        # No bias: a key's adds the same to all that softmax compares, a value's passes whole into that of `out`.
        self.key = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(width, inner, bias=False)
        self.out = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        # Plain products, not scaled_dot_product_attention: every counter and exporter sees them.
        scores = (query / math.sqrt(self.head_width)) @ key.transpose(2, 3)  # (B, heads, T, T)
        mixed = scores.softmax(3) @ value  # (B, heads, T, head_width)
        y: Tensor = self.out(mixed.transpose(1, 2).reshape(-1, self.tokens, self.heads * self.head_width))
        return y

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, heads * head_width) -> (B, heads, T, head_width)."""
        # Only the batch is left open, by -1, so that an exported graph reshapes by constants.
        return x.reshape(-1, self.tokens, self.heads, self.head_width).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"tokens={self.tokens}, heads={self.heads}, head_width={self.head_width}"
