"""Corner networks: the baselines that every search space contains."""

from __future__ import annotations

from collections.abc import Iterable

from mtnas.architecture import Architecture, ArchitectureSpace, CostTable, Tree, split_tree

SHARED = "hard sharing"
"""What the names of networks that share everything begin with."""


def corners(space: ArchitectureSpace, costs: CostTable) -> dict[str, Architecture]:
    """Hard sharing and single-task networks, each with all nodes at the smallest and at the largest option by params.

    A space with fewer copies of a block than tasks, K, has no single-task networks: tasks are dealt out to K groups.
    Equal networks (a space with one option a block, or with one task) are named once.
    """
    split = f"{space.most_groups} groups" if space.limited else "single-task"
    trees = {SHARED: Tree.shared(len(space.tasks), len(space.blocks)), split: split_tree(space)}
    found: dict[str, Architecture] = {}
    for name, tree in trees.items():
        for size, largest in (("smallest", False), ("largest", True)):
            architecture = costs.uniform(space, tree, "params", largest=largest)
            if architecture not in found.values():
                found[f"{name}, {size}"] = architecture
    return found


def largest_corner(names: Iterable[str], *, split: bool) -> str:
    """Name of the largest of the hard-sharing networks, or of those that share the least; empty if there is none.

    Args:
        names: of all corner networks, as `corners` gives them: a name may say "smallest" where all are equally large.
        split: whether it is of those that share the least.
    """
    return next((name for name in reversed([*names]) if name.startswith(SHARED) != split), "")
