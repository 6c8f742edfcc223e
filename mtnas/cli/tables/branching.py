"""What the training says about branching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from mtnas.cli.tables.console import console, print_in_parts

if TYPE_CHECKING:
    from mtnas.architecture import Affinities, ArchitectureSpace
    from mtnas.branching import Advice


def branching_json(affinities: Affinities, space: ArchitectureSpace, advice: Sequence[Advice]) -> dict[str, Any]:
    """What `print_affinities` and `print_advice` show, for some budgets."""
    return {"affinities": affinities.to_json(), "budgets": [one.to_json(space) for one in advice]}


def print_affinities(affinities: Affinities) -> None:
    """Print, for every pair of tasks, what each costs the other at every branch point."""
    table = Table(
        title="What a node costs a task that learned for another one (log error over that of its own node; +- is the"
        " standard error)",
        title_justify="left",
        title_style="bold",
    )
    for column in ("block", "task", *affinities.tasks):
        table.add_column(escape(column), justify="left" if column in ("block", "task") else "right", no_wrap=True)
    for at, block in enumerate(affinities.blocks):
        for j, task in enumerate(affinities.tasks):
            cells = [
                "-" if i == j else f"{affinities.cost[at, i, j]:+.2f} +-{affinities.noise[at, i, j]:.2f}"
                for i in range(len(affinities.tasks))
            ]
            table.add_row(
                escape(block) if j == 0 else "", escape(task), *cells, end_section=j + 1 == len(affinities.tasks)
            )
    print_in_parts(table, heads=2)


def print_advice(share: float, advice: Advice) -> None:
    """Print the trees that are spoken for within a budget, and whether that means anything."""
    to = console()
    title = f"Budget {share:.0%} of the way from hard sharing to all split (groups of tasks by block)"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("tree", overflow="fold")
    for column in ("params, average options", "energy", "behind", "confidence"):
        table.add_column(column, justify="right")
    for one in advice.trees:
        behind = f"{one.behind:.3f} +-{one.noise:.3f}" if one.behind else "-"
        table.add_row(str(one.tree), f"{one.cost:,.0f}", f"{one.energy:.3f}", behind, f"{one.confidence:.0%}")
    to.print(table)
    for flag in _flags(advice):
        to.print(flag)
    mean = sum(one.entropy for one in advice.choices) / max(1, len(advice.choices))
    to.print(f"entropy of the choices, 0 certain to 1 even: {mean:.2f} in the mean; by block and task:")
    for block in dict.fromkeys(one.block for one in advice.choices):
        told = "  ".join(
            f"{escape(one.task)} {one.entropy:.2f} (likeliest label {one.largest:.0%})"
            for one in advice.choices
            if one.block == block
        )
        to.print(f"  {escape(block)}: {told}", highlight=False)


def print_branching(shares: Sequence[float], advice: Sequence[Advice]) -> None:
    """Print for every budget the tree that the training speaks for, flagged where that means little."""
    table = Table(title="What the training says about branching", title_justify="left", title_style="bold")
    for column in ("budget, 0 hard sharing, 1 all split", "tree (groups of tasks by block)", "confidence", ""):
        table.add_column(column)
    for share, one in zip(shares, advice, strict=True):
        first = one.trees[0]
        flag = "near even" if one.even else "" if one.sure else "not sure"
        table.add_row(f"{share:g}", str(first.tree), f"{first.confidence:.0%}", flag)
    console().print(table)


def _flags(advice: Advice) -> list[str]:
    """What speaks against taking the first tree at its word."""
    first, found = advice.trees[0], []
    if not advice.sure:
        found.append(
            f"[bold]not sure[/bold]: the first tree is the best in {first.confidence:.0%} of redraws within the noise;"
            f" the cheapest of those that may be as good is {advice.cheapest}"
        )
    if advice.even:
        found.append(
            "[bold]near even[/bold]: the branch points hardly prefer any label; a tree read from them means nothing"
        )
    return found
