"""Columns of the table of measured rows: their types, and a policy in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtnas.architecture import EXACT_COSTS, SIZE, ArchitectureSpace, Candidate, notation
from mtnas.latency import LATENCY

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("id", "corner", "tree", "policy", "candidate")
NUMBERS = ("number", "nodes")
TRUTHS = ("feasible", "front")


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the types that its columns have: text, int64, bool, and float64 but for costs that are counted."""
    types: dict[str, Any] = {}
    for name in map(str, frame):
        if name in TEXTS:
            frame[name] = frame[name].fillna("")
            types[name] = str
        elif name in NUMBERS or (name in EXACT_COSTS and (frame[name].notna() & (frame[name] % 1 == 0)).all()):
            types[name] = "int64"
        elif name in TRUTHS:
            types[name] = bool
        elif is_cost_column(name):
            types[name] = "float64"
    return frame.astype(types)


def is_cost_column(name: str) -> bool:
    """Whether a column of that name holds costs."""
    return name.startswith("error/") or name in (*EXACT_COSTS, SIZE, LATENCY)


def policy_text(space: ArchitectureSpace, candidate: Candidate) -> str:
    """The nodes that are not float with their bits, ``edges/left+right W8A8, ...``; ``float`` if there are none."""
    tree = candidate.architecture.tree
    told = []
    for block, leader in candidate.policy.nodes:
        group = next(group for group in tree.groups(block) if group[0] == leader)
        name = f"{space.blocks[block].name}/{'+'.join(space.tasks[task] for task in group)}"
        told.append(f"{name} {notation(candidate.policy.bits(block, leader))}")
    return ", ".join(told) or "float"
