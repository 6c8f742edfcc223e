"""All rivals by name, ours last."""

from __future__ import annotations

from benchmarks.search_quality.linas import LINAS_RIVALS
from benchmarks.search_quality.optuna_rivals import OPTUNA_RIVALS, OURS_RIVALS
from benchmarks.search_quality.pymoo_rivals import PYMOO_RIVALS
from benchmarks.search_quality.rival import Rival

RIVALS: dict[str, Rival] = {rival.name: rival for rival in (*OPTUNA_RIVALS, *PYMOO_RIVALS, *LINAS_RIVALS, *OURS_RIVALS)}
