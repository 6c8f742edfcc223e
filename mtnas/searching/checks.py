"""What can be said of objectives and budgets before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optuna.samplers import BaseSampler

from mtnas.architecture import SIZE, ArchitectureSpace, Bits, CostTable, JointSpace, notation
from mtnas.errors import SearchError, brief, unknown_name
from mtnas.latency import LATENCY
from mtnas.onnx_graphs import without_form
from mtnas.quantizing import UNKNOWN, JointCosts, Structure, joint_costs
from mtnas.results import possible_cost_names
from mtnas.searching.settings import SearchSettings
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.targets import OnnxRuntime, Target


def default_objectives(tasks: Iterable[str], settings: SearchSettings | None = None) -> tuple[str, ...]:
    """Every task's error, params and macs; with other bits than float the size, and on a target the latency instead."""
    settings = settings or SearchSettings()
    size = SIZE if settings.searches_bits else "params"
    return (*(f"error/{task}" for task in tasks), size, "macs" if settings.target is None else LATENCY)


def target_of(settings: SearchSettings, tasks: Iterable[str]) -> Target | None:
    """Where latency is measured; None if no cost asks for it.

    Raises:
        ExportError: if that needs a package that is not installed, with how to install it.
    """
    objectives = settings.objectives or default_objectives(tasks, settings)
    if LATENCY not in (*objectives, *settings.budgets):
        return None
    return settings.target or OnnxRuntime()


def check_sampler(sampler: object) -> None:
    """Raise SearchError for what is neither a sampler nor makes one: a class would take the proposal's number."""
    if sampler is None or isinstance(sampler, BaseSampler) or (callable(sampler) and not isinstance(sampler, type)):
        return
    name = sampler.__name__ if isinstance(sampler, type) else repr(sampler)
    raise SearchError(
        "sampler must be an Optuna sampler, such as TPESampler(seed=0), or a function that makes one for a proposal by"
        f" its number, such as lambda number: TPESampler(seed=number), but is {brief(name)}"
    )


def searched_space(settings: SearchSettings, space: SearchSpace, found: DryRun, example: Input) -> JointCosts:
    """The space of candidates that a search with these settings looks at, with its exact costs.

    Args:
        found: by a dry run of the space.
        example: a batch of inputs.

    Raises:
        SearchError: before anything is trained or measured, for what this space or the target cannot give.
    """
    target = target_of(settings, space.architectures.tasks)
    _check_precisions(settings.precisions, target)
    if settings.searches_bits or SIZE in (*settings.objectives, *settings.budgets):
        costs = joint_costs(space, found, example, settings.precisions)
    else:
        structure = UNKNOWN if target is None else Structure.of(space, found, example)
        costs = JointCosts(JointSpace.in_float(space.architectures), found.costs, structure, found.idle)
    check_settings(settings, costs.space.product, costs.table)
    return costs


def needs_files(settings: SearchSettings, tasks: Iterable[str]) -> bool:
    """Whether a search needs ONNX files of its candidates: for their latencies, or to have integers at all.

    Raises:
        ExportError: if that needs a package that is not installed, with how to install it.
    """
    target = target_of(settings, tasks) or settings.target
    return isinstance(target, OnnxRuntime) or (target is None and settings.searches_bits)


def check_files(settings: SearchSettings, space: SearchSpace, found: DryRun, example: Input) -> None:
    """Raise SearchError, before anything is trained, for what the files that a search needs cannot have.

    Args:
        found: by a dry run of the space.
        example: a batch of inputs.
    """
    if not needs_files(settings, space.architectures.tasks):
        return
    for reason in without_form(space, found, example):
        latency = target_of(settings, space.architectures.tasks) is not None
        use = f"{LATENCY} is measured on onnxruntime" if latency else "integers are those of ONNX files"
        without = f"without {LATENCY} and in float" if latency else "in float only"
        raise SearchError(f"{reason}, but {use}; put another module in its place, or search {without}")


def check_settings(settings: SearchSettings, space: ArchitectureSpace, costs: CostTable) -> None:
    """Raise SearchError, before anything is trained or measured, for costs and budgets that a space cannot give."""
    for what, names in (
        ("objectives", settings.objectives),
        ("budgets", settings.budgets),
        ("reference", settings.reference),
    ):
        _check_names(names, space.tasks, what)
    _check_budgets(settings.budgets, space, costs)


def _check_names(names: Iterable[str], tasks: Iterable[str], what: str) -> None:
    """Raise SearchError for a name that is no cost, or that is there twice."""
    known, seen = possible_cost_names(tasks), set()
    for name in names:
        if name not in known:
            raise SearchError(f"{what}: {unknown_name('cost', name, known)}")
        if name in seen:
            raise SearchError(f"{what}: '{name}' is named twice")
        seen.add(name)


def _check_precisions(precisions: Iterable[Bits], target: Target | None) -> None:
    """Raise SearchError for bits that the target does not run: their latency could not be measured."""
    for bits in precisions:
        if target is not None and not target.can_run(bits):
            raise SearchError(
                f"precisions: target {target.name} does not run {notation(bits)}, so that its latency cannot be"
                f" measured; leave it out, or search without {LATENCY}"
            )


def _check_budgets(budgets: Mapping[str, float], space: ArchitectureSpace, table: CostTable) -> None:
    """Raise SearchError for budgets on exact costs that no candidate meets, naming the smallest reachable value."""
    for name, limit in budgets.items():
        if name in table.names and limit < (smallest := table.smallest(space, name)):
            raise SearchError(
                f"no candidate meets the budget {name} <= {limit:g}: the smallest reachable {name} is {smallest:.10g}"
            )
    if table.meeting(space, budgets) is None:
        reachable = ", ".join(f"{name} {table.smallest(space, name):.10g}" for name in table.names)
        raise SearchError(
            f"no candidate meets the budgets {dict(budgets)} together, though each alone can be met"
            f" (smallest reachable: {reachable}); raise one of them"
        )
