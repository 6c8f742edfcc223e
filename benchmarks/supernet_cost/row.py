"""A row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def row(
    unit: str,
    tasks: int,
    what: str,
    values: Sequence[float],
    *,
    per_seed: str = "",
    floor: float = float("nan"),
    memory: float = float("nan"),
    note: str = "",
) -> dict[str, Any]:
    """All rows have the same columns; ``values`` are in ``unit``, and there may be none."""
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9]).tolist() if len(values) else [float("nan")] * 3
    return {
        "unit": unit,
        "tasks": tasks,
        "what": what,
        "ratio": middle,
        "10%": low,
        "90%": high,
        "seeds": per_seed,
        "floor": floor,
        "memory": memory,
        "note": note,
    }
