"""The model card: what an exported network is, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtnas.architecture import W4A8
from mtnas.exporting.snippet import SNIPPET, WHY


def card(about: Mapping[str, Any]) -> str:
    """Markdown from what ``model.json`` says, so that the two cannot differ."""
    tasks, budgets = about["tasks"], about["budgets"]
    costs = [(name, value, budgets.get(name)) for name, value in about["costs"].items()]
    shapes = [(one["name"], " x ".join(map(str, one["shape"])) or "a number", one["dtype"]) for one in about["inputs"]]
    parts = [
        f"# {about['id']}: a branched network for {len(tasks)} tasks",
        f"{_inputs(about)}, outputs {', '.join(tasks)}. Weights: {about['weights']}. Where tasks share a box they"
        " share its weights; where the tree splits, each branch has its own.",
        "![The tree](tree.png)",
        "## What it costs",
        _table(("cost", "value", "budget"), costs),
        *([f"In float the file would have {about['in_float']['file_kib']:,.1f} KiB."] if about["in_float"] else []),
        *_latencies(about),
        "## Errors",
        f"Of this file, run by onnxruntime, on {about['checked']['samples']:,} validation samples (lower is better):",
        _table(("task", "error"), about["errors"].items()),
    ]
    if about["test_errors"]:
        how = "with the roundings of its integers" if about["tested_in_integers"] else "by the float network"
        parts.append(f"On the test data, measured once, {how}:")
        parts.append(_table(("task", "error"), about["test_errors"].items()))
    parts += [
        "## Precision",
        *_precision(about),
        "## Inputs",
        _table(("name", "shape of a sample", "type"), shapes),
        about["preprocessing"] or "The data says nothing in words about how raw inputs are prepared.",
        "## Running it",
        "It needs neither mtnas nor torch: `pip install onnxruntime numpy`, then",
        f"```python\n{SNIPPET.rstrip()}\n```",
        WHY,
        f"Made by mtnas {about['versions']['mtnas']}, seed {about['seed']}. `model.json` tells it to programs.",
    ]
    return "\n\n".join(parts) + "\n"


def _inputs(about: Mapping[str, Any]) -> str:
    names = [one["name"] for one in about["inputs"]]
    return "One input" if len(names) == 1 else f"Inputs {', '.join(names)}"


def _latencies(about: Mapping[str, Any]) -> list[str]:
    lines = []
    for one in about["latency"]:
        where = one["target"]
        runtime = f"{where['runtime']} {where['version']}, {where['threads']} thread(s), batch {where['batch']}"
        noise = f"noise {100 * one['noise']:.1f} %{', beside other work on the machine' if one['busy'] else ''}"
        hardware = where.get("hardware", where["device"])
        line = f"Latency: {one['ms']:#.3g} ms on {hardware} ({runtime}; {one['clock']}, {noise})."
        beside = f" The same network in float takes {one['in_float_ms']:#.3g} ms." if "in_float_ms" in one else ""
        lines.append(line + beside)
    return lines


def _precision(about: Mapping[str, Any]) -> list[str]:
    if not about["policy"]:
        return ["All of it runs in 32-bit floats."]
    count, runtime = len(about["integer_operators"]), about["versions"]["onnxruntime"]
    return [
        f"{count} operators run in {_integers(about)}: what onnxruntime {runtime} runs was compared with this policy.",
        "\n".join(
            f"- {one['node']}: weights {one['weights']} bits, activations {one['activations']}"
            for one in about["policy"]
        ),
    ]


def _integers(about: Mapping[str, Any]) -> str:
    packed = any(one["weights"] == W4A8[0] for one in about["policy"])
    return "8-bit integers" + (
        ", weights of 4 bits being two in a byte of the file, which needs onnxruntime 1.23 or newer" if packed else ""
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_text(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return (value or "").replace("|", "\\|")  # which would end the cell
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
