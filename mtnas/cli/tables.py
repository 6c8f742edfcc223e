"""Results as tables in the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mtnas.architecture import SIZE
from mtnas.latency import LATENCY
from mtnas.results import MEAN_ERROR, PredictorReport, Results, Row, weighted_error
from mtnas.results.predictor_report import BUDGET

if TYPE_CHECKING:
    from mtnas.architecture import Affinities, Candidate
    from mtnas.branching import Advice
    from mtnas.exporting import Bundle
    from mtnas.refining import Comparison, RefinedRows
    from mtnas.searching import Verified
    from mtnas.targets import Latency


def print_results(results: Results, rows: int) -> None:
    """Print the front, the corner networks, and what the search amounts to.

    Args:
        results: to print.
        rows: largest number of front members; of more, ones spread evenly over the mean error are shown.
    """
    console = _console()
    front = by_mean_error(results.front())
    shown = spread(front, rows)
    budgets = ", ".join(f"{name} <= {limit:,g}" for name, limit in results.budgets.items())
    more = f", {len(shown)} of {len(front)} shown" if len(shown) < len(front) else ""
    console.print(_table(escape(f"Pareto front{f' within {budgets}' if budgets else ''}{more}"), results, shown))
    corners = results.corner_rows()
    if corners:
        console.print(_table("Corner networks, for comparison", results, list(corners.values()), list(corners)))
    if results.rows:
        console.print(
            f"{len(results.rows)} candidates measured, {int(results.feasible.sum())} within the budgets,"
            f" {len(front)} on the front"
        )
    if results.rows and results.has_reference:
        console.print(escape(f"hypervolume {results.hypervolume():.4f} of the box up to {_reference(results)}"))
    if len(shown) < len(front):
        console.print("All of them are in results.csv (front = True); --rows prints more.")


def print_predictors(reports: Sequence[PredictorReport]) -> None:
    """Print the latest figures of a search's predictors, and how many batches went without; nothing if there are none.

    A budget has no MAPE: percent of the distance to a limit mean nothing near it.

    Args:
        reports: of every batch, the latest last.
    """
    if not reports:
        return
    latest = reports[-1]
    if latest.figures:
        title = f"Predictors after {latest.measured} rows, on held-out rows (coverage of 90 % intervals)"
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in ("cost", "model"):
            table.add_column(column, no_wrap=True)
        for column in ("held out", "tau", "MAPE %", "coverage %"):
            table.add_column(column, justify="right")
        table.add_column("")
        for cost, found in latest.figures.items():
            mape = "-" if cost.startswith(BUDGET) or math.isnan(found.mape) else f"{found.mape:.1f}"
            figures = [str(found.rows), f"{found.tau:.2f}", mape, f"{100 * found.coverage:.0f}"]
            table.add_row(escape(cost), escape(found.model), *figures, "trusted" if found.trusted else "not trusted")
        _console().print(table)
    without = sum(bool(report.note) for report in reports)
    if without:
        _console().print(
            f"{without} of {len(reports)} batches were planned without predictors, which ranked too poorly."
        )


def print_picked(row: Row, weights: Mapping[str, float]) -> None:
    """Print one row with its weighted error.

    Args:
        row: to print.
        weights: of every task.
    """
    stated = ", ".join(f"{task} {weight:g}" for task, weight in weights.items())
    table = Table(title=escape(f"Picked with the weights {stated}"), title_justify="left", title_style="bold")
    table.add_column("id", no_wrap=True)
    for column in (*(escape(f"error {task}") for task in weights), "mean", "weighted", "params", "macs"):
        table.add_column(column, justify="right")
    latency = [f"{row.costs[LATENCY]:#.3g} ms"] if LATENCY in row.costs else []
    if latency:
        table.add_column("latency", justify="right")
    table.add_column("tree", no_wrap=True)
    errors = [*(row.costs[f"error/{task}"] for task in weights), row.costs[MEAN_ERROR], weighted_error(row, weights)]
    shown = [*(f"{error:.4f}" for error in errors), *(f"{row.costs[name]:,.0f}" for name in ("params", "macs"))]
    table.add_row(row.id, *shown, *latency, str(row.candidate.architecture.tree))
    _console().print(table)


def picked_json(row: Row, weights: Mapping[str, float]) -> str:
    """What `print_picked` shows, for programs: id, number, weights, weighted error, costs, tree and candidate."""
    value = {
        "id": row.id,
        "number": row.number,
        "weights": dict(weights),
        "weighted_error": weighted_error(row, weights),
        "costs": dict(row.costs),
        "tree": str(row.candidate.architecture.tree),
        "candidate": row.candidate.to_json(),
    }
    return json.dumps(value, indent=1)


def print_refined(refined: RefinedRows, results: Results) -> None:
    """Print refined candidates beside the mean error that they had inherited."""
    inherited = {row.candidate: row.costs[MEAN_ERROR] for row in results.rows}
    table = Table(title="Refined candidates: errors in percent", title_justify="left", title_style="bold")
    for column in ("id", "network", "trained"):
        table.add_column(column, no_wrap=True)
    for column in ("params", "macs", "inherited", "valid", "test", *map(escape, refined.space.tasks), "Delta_m %"):
        table.add_column(column, justify="right")
    frame = refined.to_frame()
    for row, line in zip(refined.rows, frame.to_dict("records"), strict=True):
        errors = [inherited.get(row.candidate, float("nan")), line["valid/mean"], line["test/mean"]]
        errors += [row.test.get(task, float("nan")) for task in refined.space.tasks]
        shown = [f"{100 * error:.2f}" for error in (*errors, line["delta_m"])]
        name = line["corner"] or line["tree"]
        name += f", {line['integer_nodes']} nodes int" if line["integer_nodes"] else ""
        table.add_row(line["id"], name, row.how, f"{line['params']:,}", f"{line['macs']:,}", *shown)
    _console().print(table)


def print_latencies(found: Sequence[tuple[Row, Candidate, Latency]], where: Mapping[str, Any]) -> None:
    """Print latencies beside errors, fastest first."""
    about = f"{where['runtime']} {where['version']}, {where['threads']} thread(s), batch {where['batch']}"
    table = Table(title=f"Latency: {about}, {where['hardware']}", title_justify="left")
    for heading in ("id", "precision", "mean error (float)", "params", "latency", "noise"):
        table.add_column(heading, justify="left" if heading in ("id", "precision") else "right")
    for row, candidate, latency in sorted(found, key=lambda one: one[2].ms):
        precision = "float" if not candidate.policy.nodes else f"{len(candidate.policy.nodes)} nodes int8"
        error, params = f"{row.costs[MEAN_ERROR]:.4f}", f"{row.costs['params']:,.0f}"
        table.add_row(row.id, precision, error, params, f"{latency.ms:#.3g} ms", f"{100 * latency.noise:.1f} %")
    console = _console()
    console.print(table)
    first = found[0][2]
    busy = " Other work ran on the machine meanwhile." if any(latency.busy for _, _, latency in found) else ""
    console.print(f"Noise: within this measurement. {first.clock}, {first.rounds} rounds, interleaved.{busy}")


def print_verified(found: Sequence[Verified], tolerance: float) -> bool:
    """Print rows that differ from what was measured; whether none does.

    Args:
        tolerance: difference that counts as none.
    """
    console = _console()
    different = [one for one in found if one.difference > tolerance]
    if different:
        table = Table(title="Rows that differ", title_justify="left", title_style="bold")
        for column in ("row", "id", "cost", "measured", "now"):
            table.add_column(column, justify="left" if column in ("id", "cost") else "right")
        for one in different:
            for name, value in one.again.items():
                if abs(value - one.row.costs[name]) > tolerance:
                    table.add_row(str(one.row.number), one.row.id, name, f"{one.row.costs[name]:.6g}", f"{value:.6g}")
        console.print(table)
    largest = max(one.difference for one in found)
    console.print(f"{len(found)} rows measured again, {len(different)} differ; largest difference {largest:.3g}")
    return not different


def print_bundle(bundle: Bundle) -> None:
    """Print what an exported file amounts to."""
    about = bundle.about
    table = Table(title=f"{about['id']}, weights {about['weights']}", title_justify="left")
    for heading in ("task", "error of the file"):
        table.add_column(heading, justify="left" if heading == "task" else "right")
    for task, error in about["errors"].items():
        table.add_row(task, f"{100 * error:.2f} %" if 0 <= error <= 1 else f"{error:.4g}")
    console = _console()
    console.print(table)
    checked = about["checked"]
    console.print(
        f"The float file equals torch within {checked['largest_difference']:.1e} of the largest output on"
        f" {checked['samples']:,} validation samples"
    )
    for latency in about["latency"]:
        console.print(f"{latency['ms']:#.3g} ms, noise {100 * latency['noise']:.1f} %, {latency['target']['runtime']}")
    if about["policy"]:
        console.print(
            f"{len(about['integer_operators'])} operators run in integers, exactly those of the policy;"
            f" outputs differ from the simulation by {about['checked_integer']['mean_difference']:.1e} on average"
        )
    console.print(
        f"wrote {bundle.directory}: model.onnx ({about['costs']['file_kib']:,.1f} KiB), model.json, README.md, tree.png"
    )


def print_comparison(comparison: Comparison) -> None:
    """Print a candidate beside plain networks of its size: errors as mean +- sd over their trainings."""
    title = f"Candidate {comparison.candidate.id} beside plain networks of its size: errors in percent"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("network", no_wrap=True)
    for column in ("widths x", "params", "macs", "runs", "valid", "test", *map(escape, comparison.tasks), "Delta_m %"):
        table.add_column(column, justify="right", no_wrap=True)
    for line in comparison.to_frame().to_dict("records"):
        names = ["valid/mean", "test/mean", *(f"test/{task}" for task in comparison.tasks)]
        errors = [_spread_text(line[name], line[f"{name}/sd"]) for name in names]
        costs = [f"{line['factor']:.3f}", f"{line['params']:,}", f"{line['macs']:,}", str(line["runs"])]
        table.add_row(line["network"], *costs, *errors, f"{100 * line['delta_m']:.2f}")
    _console().print(table)
    tree = comparison.candidate.architecture.tree
    _console().print(f"The candidate's tree is {tree}; all were trained from scratch alike, test measured once each.")


def _spread_text(mean: float, deviation: float) -> str:
    """``mean +- sd`` in percent; the mean alone where there is no deviation."""
    return f"{100 * mean:.2f}" + ("" if deviation != deviation else f" +- {100 * deviation:.2f}")


def by_mean_error(rows: Sequence[Row]) -> list[Row]:
    """Rows by rising mean error."""
    return sorted(rows, key=lambda row: (row.costs[MEAN_ERROR], row.number))


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most ``count`` of the rows, evenly spaced, first and last included."""
    if len(rows) <= count:
        return list(rows)
    if count == 1:
        return [rows[0]]
    return [rows[round(i * (len(rows) - 1) / (count - 1))] for i in range(count)]


def _console() -> Console:
    """Tables keep their columns in files and pipes, which have no width of their own."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def _reference(results: Results) -> str:
    return ", ".join(
        f"{name} {results.reference[name]:,.4g}" for name in results.objectives if name in results.reference
    )


def _table(title: str, results: Results, rows: Sequence[Row], names: Sequence[str] | None = None) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("network" if names else "id", no_wrap=True)
    table.add_column("tree" if not names else "id", no_wrap=True)
    table.add_column("nodes", justify="right")
    for task in results.space.tasks:
        table.add_column(escape(f"error {task}"), justify="right")
    table.add_column("mean", justify="right")
    device = [name for name in (LATENCY, SIZE) if rows and all(name in row.costs for row in rows)]
    for name in ("params", "macs", *(_heading(name) for name in device)):
        table.add_column(name, justify="right")
    bits = any(row.candidate.policy.nodes for row in results.rows)
    if bits:
        table.add_column("integer nodes", justify="right")
    for index, row in enumerate(rows):
        tree = row.candidate.architecture.tree
        over = any(row.costs[name] > limit for name, limit in results.budgets.items())
        first = [names[index] + (" (over budget)" if over else ""), row.id] if names else [row.id, str(tree)]
        errors = [f"{row.costs[f'error/{task}']:.4f}" for task in results.space.tasks]
        exact = [f"{row.costs[name]:,.0f}" for name in ("params", "macs")]
        exact += [f"{row.costs[name]:#.4g}".rstrip(".") for name in device]
        exact += [_policy(row.candidate)] if bits else []
        table.add_row(*first, str(tree.node_count), *errors, f"{row.costs[MEAN_ERROR]:.4f}", *exact)
    return table


def _policy(candidate: Candidate) -> str:
    """The nodes that are not float, each told by its lowest task, block after block: ``0.2|-|0`` are three."""
    blocks = [
        ".".join(str(leader) for block, leader in candidate.policy.nodes if block == number) or "-"
        for number in range(candidate.architecture.tree.blocks)
    ]
    return "|".join(blocks) if candidate.policy.nodes else "none"


def _heading(cost: str) -> str:
    """``latency_ms`` -> ``latency ms``"""
    return cost.replace("_", " ").replace("kib", "KiB")


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
    _console().print(table)


def print_advice(share: float, advice: Advice) -> None:
    """Print the trees that are spoken for within a budget, and whether that means anything."""
    console = _console()
    title = f"Budget {share:.0%} of the way from hard sharing to all split (groups of tasks by block)"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("tree", no_wrap=True)
    for column in ("params, average options", "energy", "behind", "confidence"):
        table.add_column(column, justify="right")
    for one in advice.trees:
        behind = f"{one.behind:.3f} +-{one.noise:.3f}" if one.behind else "-"
        table.add_row(str(one.tree), f"{one.cost:,.0f}", f"{one.energy:.3f}", behind, f"{one.confidence:.0%}")
    console.print(table)
    for flag in _flags(advice):
        console.print(flag)
    mean = sum(one.entropy for one in advice.choices) / max(1, len(advice.choices))
    console.print(f"entropy of the choices, 0 certain to 1 even: {mean:.2f} in the mean; by block and task:")
    for block in dict.fromkeys(one.block for one in advice.choices):
        told = "  ".join(
            f"{escape(one.task)} {one.entropy:.2f} (likeliest label {one.largest:.0%})"
            for one in advice.choices
            if one.block == block
        )
        console.print(f"  {escape(block)}: {told}", highlight=False)


def print_branching(shares: Sequence[float], advice: Sequence[Advice]) -> None:
    """Print for every budget the tree that the training speaks for, flagged where that means little."""
    table = Table(title="What the training says about branching", title_justify="left", title_style="bold")
    for column in ("budget, 0 hard sharing, 1 all split", "tree (groups of tasks by block)", "confidence", ""):
        table.add_column(column)
    for share, one in zip(shares, advice, strict=True):
        first = one.trees[0]
        flag = "near even" if one.even else "" if one.sure else "not sure"
        table.add_row(f"{share:g}", str(first.tree), f"{first.confidence:.0%}", flag)
    _console().print(table)


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
