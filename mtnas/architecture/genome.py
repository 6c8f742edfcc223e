"""A fixed-length encoding in which every value is valid, and the operators of an evolutionary search on it.

Each task t >= 1 has a parent among the tasks before it and a depth: it shares the parent's nodes below that depth and
has its own from there on. Every tree is reached. Options belong to nodes: the gene (block, task) counts only where the
task leads a node, and is canonicalised to its node's option elsewhere, so that a branch that splits off later starts
as a copy of what it leaves.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.limits import limited_tree
from mtnas.architecture.space import ArchitectureSpace
from mtnas.architecture.tree import Tree


@dataclass(frozen=True)
class Genome:
    """``parents[t-1]`` < t and ``depths[t-1]`` in 0..L for tasks t >= 1; ``options[block][task]`` by name."""

    parents: tuple[int, ...]
    depths: tuple[int, ...]
    options: tuple[tuple[str, ...], ...]


def encode(architecture: Architecture) -> Genome:
    """The canonical genome of an architecture."""
    tree = architecture.tree
    parents, depths = [], []
    for task in range(1, tree.tasks):
        # The deepest block that the task shares with an earlier one; its leader there is the canonical parent.
        depth = sum(row[task] != task for row in tree.leaders)
        parents.append(tree.leaders[depth - 1][task] if depth else 0)
        depths.append(depth)
    paths = [architecture.path(task) for task in range(tree.tasks)]
    options = tuple(tuple(path[block][1] for path in paths) for block in range(tree.blocks))
    return Genome(tuple(parents), tuple(depths), options)


def decode(genome: Genome, most_groups: int | None = None) -> Architecture:
    """The architecture of a genome. ``decode(encode(a)) == a``.

    Args:
        most_groups: groups of tasks at a block; those that lead further ones go along with whom they left.
    """
    tasks = len(genome.parents) + 1
    rows = []
    for block in range(len(genome.options)):
        row = [0]
        for task in range(1, tasks):
            shares = block < genome.depths[task - 1]
            row.append(row[genome.parents[task - 1]] if shares else task)
        rows.append(tuple(row))
    tree = Tree(tuple(rows))
    tree = tree if most_groups is None else limited_tree(tree, most_groups)
    options = tuple(
        tuple(genome.options[block][group[0]] for group in tree.groups(block)) for block in range(tree.blocks)
    )
    return Architecture(tree, options)


Gene = tuple[str, int, int]
"""(kind, task, block): kind is parent, depth or option; the block counts for options only."""


def mutate(
    space: ArchitectureSpace, architecture: Architecture, rng: random.Random, rate: float | None = None
) -> Architecture:
    """A neighbour: each active gene is redrawn with probability ``rate`` (default: one gene on average), at least one.

    Inactive genes are left alone, so the result differs from the argument unless the space has one member.
    """
    genes = _active_genes(space, architecture)
    if not genes:
        return architecture
    rate = 1 / len(genes) if rate is None else rate
    mutant = _redraw(space, architecture, [gene for gene in genes if rng.random() < rate], rng)
    # Several redrawn genes may cancel out; one alone never does, unless it would make a group too many.
    if mutant == architecture:
        mutant = _redraw(space, architecture, [rng.choice(genes)], rng)
    while mutant == architecture and genes:
        mutant = _redraw(space, architecture, [genes.pop(rng.randrange(len(genes)))], rng)
    return mutant


def _redraw(
    space: ArchitectureSpace, architecture: Architecture, genes: list[Gene], rng: random.Random
) -> Architecture:
    """Give each of ``genes`` another value."""
    genome, tree = encode(architecture), architecture.tree
    parents, depths = list(genome.parents), list(genome.depths)
    options = [list(row) for row in genome.options]
    for kind, task, block in genes:
        if kind == "parent":
            parents[task - 1] = rng.choice([p for p in _parents(architecture, task) if p != parents[task - 1]])
        elif kind == "depth":
            depths[task - 1] = rng.choice([d for d in space.split_depths if d != depths[task - 1]])
        else:
            option = rng.choice([o for o in space.blocks[block].options if o != options[block][task]])
            # All tasks of the node move together, so that a branch cut off in the same mutation starts as its copy.
            for other, leader in enumerate(tree.leaders[block]):
                if leader == task:
                    options[block][other] = option
    return decode(Genome(tuple(parents), tuple(depths), tuple(map(tuple, options))), space.most_groups)


def _parents(architecture: Architecture, task: int) -> list[int]:
    """Tasks that can be the parent of ``task`` at its depth and make different trees."""
    depth = encode(architecture).depths[task - 1]
    return sorted(set(architecture.tree.leaders[depth - 1][:task])) if depth else []


def _active_genes(space: ArchitectureSpace, architecture: Architecture) -> list[Gene]:
    """Genes that make a difference and have another value."""
    genes: list[Gene] = []
    for task in range(1, len(space.tasks)):
        if len(_parents(architecture, task)) > 1:
            genes.append(("parent", task, -1))
        if len(space.split_depths) > 1:
            genes.append(("depth", task, -1))
    for block, group in architecture.tree.nodes():
        if len(space.blocks[block].options) > 1:
            genes.append(("option", group[0], block))
    return genes


def crossover(
    first: Architecture, second: Architecture, rng: random.Random, most_groups: int | None = None
) -> Architecture:
    """Uniform crossover: every task's place in the tree, and every (block, task)'s option, from either parent.

    Args:
        most_groups: see `decode`.
    """
    one, two = encode(first), encode(second)
    places = [
        rng.choice(pair)
        for pair in zip(
            zip(one.parents, one.depths, strict=True), zip(two.parents, two.depths, strict=True), strict=True
        )
    ]
    options = tuple(
        tuple(rng.choice(pair) for pair in zip(a, b, strict=True))
        for a, b in zip(one.options, two.options, strict=True)
    )
    return decode(Genome(tuple(p for p, _ in places), tuple(d for _, d in places), options), most_groups)
