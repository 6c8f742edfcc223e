"""What can be said of objectives and budgets before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mtnas.architecture import EXACT_COSTS, ArchitectureSpace, CostTable
from mtnas.errors import SearchError, unknown_name
from mtnas.results import cost_names
from mtnas.searching.settings import SearchSettings


def default_objectives(tasks: Iterable[str]) -> tuple[str, ...]:
    """Every task's error, params and macs."""
    return (*(f"error/{task}" for task in tasks), *EXACT_COSTS)


def check_settings(settings: SearchSettings, space: ArchitectureSpace, costs: CostTable) -> None:
    """Raise SearchError, before anything is trained or measured, for what this space cannot give."""
    for what, names in (
        ("objectives", settings.objectives),
        ("budgets", settings.budgets),
        ("reference", settings.reference),
    ):
        _check_names(names, space.tasks, what)
    _check_budgets(settings.budgets, space, costs)


def _check_names(names: Iterable[str], tasks: Iterable[str], what: str) -> None:
    """Raise SearchError for a name that is no cost, or that is there twice."""
    known, seen = cost_names(tasks), set()
    for name in names:
        if name not in known:
            raise SearchError(f"{what}: {unknown_name('cost', name, known)}")
        if name in seen:
            raise SearchError(f"{what}: '{name}' is named twice")
        seen.add(name)


def _check_budgets(budgets: Mapping[str, float], space: ArchitectureSpace, costs: CostTable) -> None:
    """Raise SearchError for budgets on exact costs that no candidate meets, naming the smallest reachable value."""
    for name, limit in budgets.items():
        if name in EXACT_COSTS and limit < (smallest := costs.smallest(space, name)):
            raise SearchError(
                f"no candidate meets the budget {name} <= {limit:g}: the smallest reachable {name} is {smallest}"
            )
    if costs.meeting(space, budgets) is None:
        reachable = ", ".join(f"{name} {costs.smallest(space, name)}" for name in EXACT_COSTS)
        raise SearchError(
            f"no candidate meets the budgets {dict(budgets)} together, though each alone can be met"
            f" (smallest reachable: {reachable}); raise one of them"
        )
