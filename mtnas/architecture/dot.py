"""An architecture in the language of Graphviz."""

from __future__ import annotations

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.graph import to_graph
from mtnas.architecture.space import ArchitectureSpace


def to_dot(space: ArchitectureSpace, architecture: Architecture) -> str:
    """The tree as text that ``dot -Tsvg`` draws; nodes have the names that they have in `to_graph`.

    Raises:
        ArchitectureError: if the architecture is not of the space.
    """
    graph = to_graph(space, architecture)
    lines = ["digraph architecture {", "  node [shape=box, style=rounded];"]
    for node, values in graph.nodes(data=True):
        lines.append(f"  {_quoted(node)} [label={_quoted(_label(node, values))}];")
    lines += [f"  {_quoted(above)} -> {_quoted(below)};" for above, below in graph.edges]
    return "\n".join([*lines, "}", ""])


def _label(node: str, values: dict[str, object]) -> str:
    if values["kind"] == "block":
        return f"{values['block']}\n{values['option']}"
    return node.removeprefix("head/")


def _quoted(text: str) -> str:
    r"""A quoted string of DOT: of escapes only \" and \\ are meant, and line breaks."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
