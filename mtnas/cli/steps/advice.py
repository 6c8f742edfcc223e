"""What a training learned about where tasks should part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtnas.branching import Advice, Branching
    from mtnas.runs import Run


def advice_step(run: Run, branching: Branching, shares: Sequence[float], count: int) -> list[Advice]:
    """What the training says about each budget."""
    from mtnas.branching import advise
    from mtnas.seeds import derive_seed

    space, table = run.architectures()
    return [advise(space, table, branching, share, derive_seed(run.seed, "trees"), count=count) for share in shares]
