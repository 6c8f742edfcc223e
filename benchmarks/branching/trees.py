"""Trees by their number of nodes, and from the paths of the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mtnas.architecture import ArchitectureSpace, BlockChoices, Tree

Row = tuple[int, ...]
"""Leaders of the tasks at one block."""


def plain_space(tasks: int, blocks: int) -> ArchitectureSpace:
    """All trees, one option a node."""
    names = tuple(f"task{task}" for task in range(tasks))
    return ArchitectureSpace(names, tuple(BlockChoices(f"block{block}", ("node",)) for block in range(blocks)))


def trees_within(tasks: int, blocks: int, nodes: int) -> list[Tree]:
    """Every tree of at most ``nodes`` nodes, in order. Larger ones are never made, so that eight tasks can be done."""
    return sorted(Tree(rows) for rows in _chains((0,) * tasks, blocks, nodes))


def _chains(above: Row, blocks: int, nodes: int) -> Iterator[tuple[Row, ...]]:
    if blocks == 0:
        yield ()
        return
    for row in _refinements(above, nodes // blocks):  # the blocks below have no fewer groups
        for rest in _chains(row, blocks - 1, nodes - len(set(row))):
            yield (row, *rest)


def _refinements(above: Row, most: int) -> Iterator[Row]:
    """Partitions that refine the one above and have at most ``most`` groups."""
    rows: list[tuple[Row, int]] = [((), 0)]
    for task, over in enumerate(above):
        grown = []
        for row, groups in rows:
            leaders = [leader for leader in sorted(set(row)) if above[leader] == over]
            grown += [((*row, leader), groups) for leader in leaders]
            if groups < most:
                grown.append(((*row, task), groups + 1))
        rows = grown
    for row, _ in rows:
        yield row


def tree_of_paths(paths: Sequence[Sequence[int]]) -> Tree:
    """The tree of tasks that run through nodes ``paths[task][block]``.

    Two tasks share a block if they use the same nodes there and at all blocks before.
    """
    prefixes = [[tuple(path[: block + 1]) for path in paths] for block in range(len(paths[0]))]
    return Tree(tuple(tuple(row.index(prefix) for prefix in row) for row in prefixes))
