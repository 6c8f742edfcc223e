"""An architecture in the language of Graphviz."""

from __future__ import annotations

from typing import Any

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.graph import to_graph
from mtnas.architecture.policy import QuantizationPolicy, notation
from mtnas.architecture.space import ArchitectureSpace


def to_dot(space: ArchitectureSpace, architecture: Architecture, policy: QuantizationPolicy | None = None) -> str:
    """The tree as text that ``dot -Tsvg`` draws; nodes have the names that they have in `to_graph`.

    Args:
        space: of the architecture.
        architecture: to draw.
        policy: its bits are told where a node is not float; None: all is float.

    Raises:
        ArchitectureError: if the architecture is not of the space.
    """
    graph = to_graph(space, architecture)
    lines = ["digraph architecture {", "  node [shape=box, style=rounded];"]
    for node, values in graph.nodes(data=True):
        lines.append(f"  {_quoted(node)} [label={_quoted(_label(space, node, values, policy))}];")
    lines += [f"  {_quoted(above)} -> {_quoted(below)};" for above, below in graph.edges]
    return "\n".join([*lines, "}", ""])


def _label(space: ArchitectureSpace, node: str, values: dict[str, Any], policy: QuantizationPolicy | None) -> str:
    if values["kind"] != "block":
        return node.removeprefix("head/")
    told = f"{values['block']}\n{values['option']}"
    place = (values["layer"] - 1, space.tasks.index(values["tasks"][0]))
    if policy is not None and place in policy.nodes:
        told += f"\n{notation(policy.bits(*place))}"
    return told


def _quoted(text: str) -> str:
    r"""A quoted string of DOT: of escapes only \" and \\ are meant, and line breaks."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
