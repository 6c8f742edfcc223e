"""What a search space and its data amount to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from mtnas.cli.tables.console import console, titled_table
from mtnas.results import corners

if TYPE_CHECKING:
    from mtnas.cli.checking import CheckedSpace
    from mtnas.space.dry_run import DryRun
    from mtnas.space.search_space import SearchSpace


def space_json(checked: CheckedSpace) -> dict[str, Any]:
    """Sizes of space and data, shapes and exact costs."""
    space, found = checked.file.space, checked.found
    architectures, costs = space.architectures, found.costs
    told = space.describe(found)
    return {
        "space": str(checked.file.path),
        "trees": _digits(architectures.tree_count),
        "architectures": _digits(architectures.size),
        "copies": architectures.most_groups,
        "tasks": [
            {
                "name": task.name,
                "loss": told["losses"][task.name],
                "error": told["errors"][task.name],
                "reference_error": task.reference_error,
                "weight": task.weight,
                "output": list(shape),
            }
            for task, shape in zip(space.tasks, found.outputs, strict=True)
        ],
        "samples": checked.samples,
        "batch_size": checked.data.training_batch_size,
        "input": told["input"],
        "stem": {"module": told["stem"], "leaves": found.shapes[0][0], **_costs(found, costs.stem)},
        "blocks": [_block(space, found, number) for number in range(len(space.blocks))],
        "heads": [
            {"task": task.name, "enters": shape, **_costs(found, amounts)}
            for shape, row in zip(found.shapes[-1], costs.heads, strict=True)
            for task, amounts in zip(space.tasks, row, strict=True)
        ],
        "corners": {name: costs.of(architectures, one) for name, one in corners(architectures, costs).items()},
        "range": {
            name: [costs.smallest(architectures, name), costs.largest(architectures, name)] for name in costs.names
        },
        "training": {"epochs": checked.training.epochs, "batches": checked.batches},
        "search": {
            "evaluations": checked.searching.evaluations,
            "objectives": list(checked.objectives),
            "budgets": dict(checked.searching.budgets),
        },
        "remarks": list(checked.remarks),
    }


def print_space(told: dict[str, Any]) -> None:
    """Print what `space_json` tells."""
    to = console()
    to.print(
        escape(f"{told['space']}: {_count(told['trees'])} trees, {_count(told['architectures'])} architectures"),
        highlight=False,
    )
    samples = ", ".join(f"{split} {_count(size)}" for split, size in told["samples"].items())
    size = "an unknown size" if told["batch_size"] is None else told["batch_size"]
    to.print(f"samples: {samples}; batches of {size}", highlight=False)
    to.print(_tasks(told["tasks"]))
    to.print(_nodes(told))
    to.print(_corners(told["corners"]))
    spans = ", ".join(f"{name} {least:,.0f} to {most:,.0f}" for name, (least, most) in told["range"].items())
    training, search = told["training"], told["search"]
    budgets = "".join(f", {name} <= {limit:,g}" for name, limit in search["budgets"].items())
    to.print(f"reachable: {spans}", highlight=False)
    to.print(
        escape(
            f"training: {training['epochs']} epochs of {_count(training['batches'])} batches; search:"
            f" {search['evaluations']} evaluations for {', '.join(search['objectives'])}{budgets}"
        ),
        highlight=False,
    )
    for text in told["remarks"]:
        to.print(escape(f"note: {text}"), style="yellow", highlight=False)


def _block(space: SearchSpace, found: DryRun, number: int) -> dict[str, Any]:
    """A line for every option and every shape that may enter."""
    block, table = space.blocks[number], found.costs
    entering, leaving = found.shapes[number], found.shapes[number + 1]
    return {
        "name": block.name,
        "branching": block.branching,
        "options": [
            {
                "name": name,
                "enters": shape,
                "leaves": leaving[table.leads_to[number][at][option]],
                **_costs(found, table.options[number][at][option]),
            }
            for at, shape in enumerate(entering)
            for option, name in enumerate(block.options)
        ],
    }


def _digits(number: int) -> int | None:
    """None for a number of more digits than Python writes."""
    return number if number < 10**4000 else None


def _costs(found: DryRun, amounts: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(found.costs.names, amounts, strict=True))


def _tasks(tasks: list[dict[str, Any]]) -> Table:
    table = titled_table("Tasks", "task", "loss", "error", "output", "a useless network's error", "weight")
    for task in tasks:
        useless = "found by the search" if task["reference_error"] is None else f"{task['reference_error']:.4g}"
        shown = (task["name"], task["loss"], task["error"], _shape(task["output"]), useless, f"{task['weight']:g}")
        table.add_row(*map(escape, shown))
    return table


def _nodes(told: dict[str, Any]) -> Table:
    """Stem, options and heads; what repeats the line above is left out."""
    table = titled_table("Shapes and exact costs, one sample", "block", "entered by", "option", "leaves")
    for column in ("params", "macs"):
        table.add_column(column, justify="right")
    stem = told["stem"]
    if stem["module"] != "Identity()":
        first = ("stem", _shape(told["input"]), "", _shape(stem["leaves"]))
        table.add_row(*map(escape, first), *_amounts(stem), end_section=True)
    for block in told["blocks"]:
        above = ""
        for place, line in enumerate(block["options"]):
            entering = _shape(line["enters"])
            name = "" if place else block["name"] + ("" if block["branching"] else " (no branching)")
            shown = (name, "" if entering == above else entering, line["name"], _shape(line["leaves"]))
            last = place + 1 == len(block["options"])
            table.add_row(*map(escape, shown), *_amounts(line), end_section=last)
            above = entering
    for place, head in enumerate(told["heads"]):
        shown = ("" if place else "heads", _shape(head["enters"]), head["task"], "")
        table.add_row(*map(escape, shown), *_amounts(head))
    return table


def _corners(corners: dict[str, dict[str, float]]) -> Table:
    table = titled_table("Smallest and largest candidates", "network")
    for column in ("params", "macs"):
        table.add_column(column, justify="right")
    for name, costs in corners.items():
        table.add_row(escape(name), *_amounts(costs))
    return table


def _amounts(costs: dict[str, Any]) -> list[str]:
    return [f"{costs[name]:,.0f}" for name in ("params", "macs")]


def _shape(shape: Any) -> str:
    """``8x12x12``; of several inputs each with its name; ``scalar`` without a dimension."""
    if isinstance(shape, dict):
        return ", ".join(f"{name} {_shape(one)}" for name, one in shape.items())
    return "x".join(map(str, shape)) or "scalar"


def _count(number: int | None) -> str:
    """All digits of a number below 10^15; others as a power of ten, since they may have thousands."""
    if number is None:
        return "unknown"
    return f"{number:,}" if number < 10**15 else f"about 10^{math.log10(number):.1f}"
