"""Plain networks to hold a branched one against."""

from __future__ import annotations

from mtnas.architecture import Architecture, ArchitectureSpace, CostTable, Tree, split_tree

MEMBER = "the candidate"
"""Name of the candidate among the networks that are compared."""


def with_baselines(
    space: ArchitectureSpace, costs: CostTable, member: Architecture
) -> tuple[dict[str, Architecture], str]:
    """A candidate's architecture and its baselines, by name, and the name of the single-task networks among them.

    The largest operators are those of most params at the space's own widths; the candidate's operators are those of its
    first task's path. Of equal architectures only the first is there.
    """
    shared = Tree.shared(len(space.tasks), len(space.blocks))
    own = tuple(option for _, option in member.path(0))
    single = costs.uniform(space, split_tree(space), "params", largest=True)
    found = {
        MEMBER: member,
        "hard sharing, largest operators": costs.uniform(space, shared, "params", largest=True),
        "hard sharing, the candidate's operators": Architecture.uniform(shared, own),
        "single-task, largest operators": single,
    }
    name_of: dict[Architecture, str] = {}
    for name, architecture in found.items():
        name_of.setdefault(architecture, name)
    return {name: architecture for architecture, name in name_of.items()}, name_of[single]
