"""An architecture as a networkx graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.space import ArchitectureSpace

if TYPE_CHECKING:
    import networkx as nx


def to_graph(space: ArchitectureSpace, architecture: Architecture) -> nx.DiGraph[str]:
    """Directed tree from ``input`` to one head per task.

    Nodes have the attributes ``kind`` (input, block, head), ``layer`` (0 for the input, block + 1, L + 1 for heads) and
    ``tasks`` (names of the tasks that use them); block nodes also ``block``, ``leader`` (task number) and ``option``.
    Nodes are named ``block/task+task`` and ``head/task``.
    """
    import networkx as nx  # twice as long to import as the rest of this package

    space.check(architecture)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("input", kind="input", layer=0, tasks=space.tasks)
    last = dict.fromkeys(range(len(space.tasks)), "input")
    for block, group, option in architecture.nodes():
        tasks = tuple(space.tasks[task] for task in group)
        name = f"{space.blocks[block].name}/{'+'.join(tasks)}"
        graph.add_node(
            name,
            kind="block",
            layer=block + 1,
            tasks=tasks,
            block=space.blocks[block].name,
            leader=group[0],
            option=option,
        )
        graph.add_edge(last[group[0]], name)
        last.update(dict.fromkeys(group, name))
    for task, above in last.items():
        name = f"head/{space.tasks[task]}"
        graph.add_node(name, kind="head", layer=len(space.blocks) + 1, tasks=(space.tasks[task],))
        graph.add_edge(above, name)
    return graph
