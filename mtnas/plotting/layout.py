"""Where the nodes of a branched tree are drawn."""

from __future__ import annotations

import networkx as nx


def tree_layout(graph: nx.DiGraph[str]) -> dict[str, tuple[float, int]]:
    """Place of every node as (column, layer).

    Heads sit at columns 0, 1, 2, ... in the order of the tree, so that every group of tasks is contiguous; every other
    node is centred over the heads below it. Edges do not cross, and nodes of one layer are at least one column apart.
    """
    heads: list[str] = []
    first: dict[str, int] = {}
    for node in nx.dfs_preorder_nodes(graph, "input"):
        first[node] = len(heads)
        if graph.nodes[node]["kind"] == "head":
            heads.append(node)
    return {
        node: (start + (len(graph.nodes[node]["tasks"]) - 1) / 2, graph.nodes[node]["layer"])
        for node, start in first.items()
    }
