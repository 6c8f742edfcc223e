"""What a report shows, as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mtnas.architecture import ArchitectureSpace, Candidate
from mtnas.errors import RunError
from mtnas.plotting.style import label, task_colours
from mtnas.refining import read_refined
from mtnas.reporting.compared import compared
from mtnas.reporting.learned import learned
from mtnas.results import MEAN_ERROR, Results, mean_error
from mtnas.runs import Run, read_predictors, read_results
from mtnas.runs.latencies import read_latencies, told_apart
from mtnas.searching.foresight import foreseen


def contents(run: Run) -> dict[str, Any]:
    """Everything that a report shows, ready for JSON but for numbers that are not finite.

    Raises:
        RunError: if the run has no results yet, or is damaged.
    """
    results, manifest = read_results(run), run.manifest.read()
    if not results.rows:
        raise RunError(f"the run {run.path} has no measured candidate yet, so there is nothing to report; search first")
    training = learned(run, results.space, results.cost_table)
    return {
        "about": {
            "name": run.path.resolve().name,
            "commands": run.commands(),
            "seed": run.seed,
            "created": manifest["run"].get("created", ""),
            "versions": manifest["run"].get("versions", {}),
            "data": manifest.get("data", {}),
            "training": manifest.get("training", {}),
            "search": manifest.get("search", {}),
            "space_file": manifest.get("space_file", {}),
            "errors": manifest.get("space", {}).get("errors", {}),
            "losses": manifest.get("space", {}).get("losses", {}),
        },
        **measured(results),
        "predictors": [
            {"measured": one.measured, "note": one.note, "figures": {c: asdict(f) for c, f in one.figures.items()}}
            for one in read_predictors(run)
        ],
        "foreseen": [asdict(one) for one in foreseen(results, training.branching)],
        "training": training.to_json(),
        "latencies": _latencies(run, results),
        "refined": _refined(run, results),
        "compared": compared(run),
    }


def measured(results: Results) -> dict[str, Any]:
    """The space, rows by column, and what follows from them."""
    names = list(dict.fromkeys(name for row in results.rows for name in row.costs))
    corner = {row.number: name for name, row in results.corner_rows().items()}
    space = results.space
    return {
        "space": {
            "tasks": list(space.tasks),
            "colours": list(task_colours(space.tasks).values()),
            "blocks": [{"name": block.name, "options": list(block.options)} for block in space.blocks],
            "costs": results.cost_table.to_json(),
            "trees": str(space.tree_count),
            "size": str(space.size),
        },
        "costs": {name: label(name) for name in names},
        "objectives": list(results.objectives),
        "budgets": dict(results.budgets),
        "reference": dict(results.reference),
        "rows": {
            "number": [row.number for row in results.rows],
            "id": [row.id for row in results.rows],
            "corner": [corner.get(row.number, "") for row in results.rows],
            "feasible": results.feasible.tolist(),
            "front": results.on_front.tolist(),
            "leaders": [row.candidate.architecture.tree.leaders for row in results.rows],
            "options": [_options(space, row.candidate) for row in results.rows],
            "bits": [_bits(row.candidate) for row in results.rows],
            "values": {name: [row.costs.get(name) for row in results.rows] for name in names},
        },
        "hypervolume": results.hypervolumes().tolist() if results.has_reference else [],
        "gains": _gains(results),
    }


def _options(space: ArchitectureSpace, candidate: Candidate) -> list[list[int]]:
    """Numbers of the options of every block's nodes, by leader."""
    return [
        [block.options.index(name) for name in names]
        for block, names in zip(space.blocks, candidate.architecture.options, strict=True)
    ]


def _bits(candidate: Candidate) -> list[list[list[int]]]:
    """Bits of weights and activations of every block's nodes, by leader; empty if all is float."""
    if not candidate.policy.nodes:
        return []
    tree = candidate.architecture.tree
    return [
        [list(candidate.policy.bits(block, group[0])) for group in tree.groups(block)] for block in range(tree.blocks)
    ]


def _gains(results: Results) -> list[float | None]:
    """Delta_m of every row over the largest single-task corner, by inherited errors; empty if that was not measured."""
    base = results.largest_corner_row(split=True)
    names = [f"error/{task}" for task in results.space.tasks]
    if base is None or any(not base.costs.get(name) for name in names):
        return []
    return [
        mean_error({name: (base.costs[name] - row.costs[name]) / base.costs[name] for name in names})
        for row in results.rows
    ]


def _latencies(run: Run, results: Results) -> list[dict[str, Any]]:
    place = {row.candidate: index for index, row in enumerate(results.rows)}
    found = read_latencies(run)
    return [
        {"row": place.get(one.candidate), "id": one.candidate.id, "target": where, **one.latency.to_json()}
        for one, where in zip(found, told_apart([one.target for one in found]), strict=True)
    ]


def _refined(run: Run, results: Results) -> list[dict[str, Any]]:
    rows = read_refined(run)
    by_id = {row.id: row for row in results.rows}
    return [
        {
            "id": row.candidate.id,
            "how": row.how,
            "tree": str(row.candidate.architecture.tree),
            "inherited": by_id[row.candidate.id].costs[MEAN_ERROR] if row.candidate.id in by_id else None,
            "valid": mean_error(row.valid),
            "test": mean_error(row.test) if row.test else None,
            "tasks": dict(row.test),
            "delta_m": rows.delta_m(row),
            **rows.cost_table.of(rows.space, row.candidate.architecture),
        }
        for row in rows.rows
    ]
