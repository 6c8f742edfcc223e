"""Branched networks as genes: what predictors see of them, and how they vary."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import Affinities, ArchitectureSpace, CostTable, copies, limited
from mtnas.latency import LATENCY
from mtnas.predicting import (
    DisturbedModel,
    Exact,
    Genetics,
    GroupedRidge,
    Model,
)
from mtnas.predicting.genetics import Floats, Genes
from mtnas.quantizing import UNKNOWN, Structure
from mtnas.results import MEAN_ERROR
from mtnas.searching.company_features import CompanyFeatures
from mtnas.searching.path_costs import PathCosts
from mtnas.searching.work_features import WorkFeatures

Ints = NDArray[np.int64]

WORK_MODEL = DisturbedModel(GroupedRidge())
"""How latency is predicted."""

Prior = Callable[[int, np.random.Generator], Genes]
"""Draws genomes that are thought to be good, (count, genes)."""


class TreeGenes(Genetics):
    """The genes that `Parameters` names: of every task a parent and a depth, of every block and task an option.

    Predictors of a task's error see its own path: under inherited weights it depends on nothing else. Those of latency
    see the work that is done, whichever tasks it is for, and those of the mean error all paths together. Others see
    which pairs of tasks share a block, and the options of the nodes that are there. Costs that add up over nodes are
    computed.

    Args:
        space: of the architectures.
        costs: their exact costs.
        parameters: names of the genes, in their order; of those of `Parameters` that have more than one value.
        objectives: names of the costs that are minimised, by number.
        limits: budgets by cost name; the constraints of the study are the costs less these.
        prior: draws a part of what `draw` gives; None: all are drawn evenly.
        parts: what every option consists of, such as an operator and its bits: numbers ``[block][option][part]``. What
            options have in common is then seen as such. None: options have nothing in common.
        structure: of the space, for those of latency, see `WorkFeatures`.
        idle: whether an option does nothing, ``[block][option]``: genomes that differ in which tasks share such nodes
            are one network. Empty: none does.
        affinities: of the tasks: predictors of errors then see what the company costs that a task has in its nodes.
        prior_share: that part. Half drew too many networks of the same few trees (docs/branching.md).
        most_trees: so many genomes of trees are looked up in a table; where there are more, each is worked out.
    """

    def __init__(
        self,
        space: ArchitectureSpace,
        costs: CostTable,
        parameters: Sequence[str],
        objectives: Sequence[str],
        limits: Mapping[str, float],
        prior: Prior | None = None,
        parts: Sequence[Sequence[Sequence[int]]] | None = None,
        structure: Structure = UNKNOWN,
        idle: Sequence[Sequence[bool]] = (),
        affinities: Affinities | None = None,
        prior_share: float = 0.25,
        most_trees: int = 20_000,
    ) -> None:
        self.space, self.objectives, self.limits = space, tuple(objectives), dict(limits)
        self.prior, self.prior_share = prior, prior_share
        self.tasks, self.blocks = len(space.tasks), len(space.blocks)
        self.options = np.array([len(block.options) for block in space.blocks])
        self.split_depths = np.array(space.split_depths)
        place = {name: column for column, name in enumerate(parameters)}
        self._parent = np.array([place.get(f"parent/{task}", -1) for task in space.tasks])
        self._depth = np.array([place.get(f"depth/{task}", -1) for task in space.tasks])
        self._option = np.array(
            [[place.get(f"option/{block.name}/{task}", -1) for task in space.tasks] for block in space.blocks]
        )
        self.levels = np.ones(len(parameters), dtype=np.int64)
        for task in range(self.tasks):
            if self._parent[task] >= 0:
                self.levels[self._parent[task]] = task
            if self._depth[task] >= 0:
                self.levels[self._depth[task]] = len(self.split_depths)
        for block in range(self.blocks):
            self.levels[self._option[block][self._option[block] >= 0]] = self.options[block]
        self._there = self._option >= 0  # (blocks, tasks): a block with one option has no gene
        self._idle = np.zeros((self.blocks, int(self.options.max())), dtype=bool)
        for block, still in enumerate(idle):
            self._idle[block, : len(still)] = still
        self._pairs = np.triu_indices(self.tasks, 1)
        self._costs = PathCosts(costs, self.tasks)
        alone = [[(option,) for option in range(count)] for count in self.options.tolist()]
        self._parts = [np.array(block, dtype=np.int64) for block in parts or alone]  # (option, parts)
        self._coded = [_coded(block) for block in self._parts]
        self._node = [_of_copies(block, space.most_groups) for block in self._coded]
        self._near = [_near(block) for block in self._parts]
        self._company = None if affinities is None else CompanyFeatures(affinities, self.tasks, self.blocks)
        self._work = WorkFeatures(costs, self._parts, self.tasks, structure)
        self._last: tuple[Genes, Ints, Ints] | None = None
        self._of_tree = np.array([one for one in (*self._parent, *self._depth) if one >= 0], dtype=np.int64)
        self._places = np.cumprod([1, *self.levels[self._of_tree]])[:-1]  # of these genes in the number of a tree
        self._trees = self._tabulated(most_trees)

    # Networks ---------------------------------------------------------------------------------------------------

    def leaders(self, genes: Genes) -> Ints:
        """The task that leads the node of every block and task, (n, blocks, tasks)."""
        if self._trees is None:
            return self._made_leaders(genes)
        found: Ints = self._trees[genes[:, self._of_tree] @ self._places]
        return found

    def _tabulated(self, most: int) -> Ints | None:
        """Leaders of all trees by number, (trees, blocks, tasks); None if there are more."""
        levels = self.levels[self._of_tree]
        count = math.prod(levels.tolist())
        if count > most:
            return None
        genes = np.zeros((count, len(self.levels)), dtype=np.int64)
        genes[:, self._of_tree] = np.arange(count)[:, None] // self._places % levels
        return self._made_leaders(genes)

    def _made_leaders(self, genes: Genes) -> Ints:
        """What `leaders` gives, task by task."""
        found = np.zeros((self.tasks, len(genes), self.blocks), dtype=np.int64)
        row, block = np.arange(len(genes)), np.arange(self.blocks)
        for task in range(1, self.tasks):
            # A space in which nothing branches shares all; one with a single place to branch has no gene for it.
            depth = (
                self.split_depths[genes[:, self._depth[task]]]
                if self._depth[task] >= 0
                else np.full(len(genes), self.split_depths[0])
            )
            parent = genes[:, self._parent[task]] if self._parent[task] >= 0 else np.zeros(len(genes), dtype=np.int64)
            found[task] = np.where(block < depth[:, None], found[parent, row], task)
        return limited(np.ascontiguousarray(found.transpose(1, 2, 0)), self.space.most_groups)

    def path_options(self, genes: Genes, leaders: Ints) -> Ints:
        """The option of every block on every task's path, (n, blocks, tasks)."""
        own = np.zeros((len(genes), self.blocks, self.tasks), dtype=np.int64)
        own[:, self._there] = genes[:, self._option[self._there]]
        first = np.arange(len(genes) * self.blocks).reshape(len(genes), self.blocks, 1) * self.tasks
        found: Ints = own.reshape(-1)[first + leaders]
        return found

    def paths(self, genes: Genes) -> tuple[Ints, Ints]:
        """`leaders` and `path_options`. Those of the last genes are kept, which several views are asked for in turn."""
        last = self._last  # once: another thread may replace it meanwhile
        if last is not None and np.array_equal(last[0], genes):
            return last[1:]
        leaders = self.leaders(genes)
        options = self.path_options(genes, leaders)
        self._last = (genes.copy(), leaders, options)
        return leaders, options

    def identity(self, genes: Genes) -> Genes:
        leaders, options = self.paths(genes)
        if self._idle.any():
            idle = self._idle[np.arange(self.blocks)[:, None], options]
            leaders, options = np.where(idle, -1, leaders), np.where(idle, -1, options)
        return np.concatenate([leaders, options], axis=1).reshape(len(genes), 2 * self.blocks * self.tasks)

    def of_trees(self, leaders: Ints, rng: np.random.Generator) -> Genes:
        """Genes of trees with options drawn evenly, (n, genes).

        Args:
            leaders: (n, blocks, tasks).
        """
        genes = (rng.random((len(leaders), len(self.levels))) * self.levels).astype(np.int64)
        for task in range(1, self.tasks):
            depth = (leaders[:, :, task] != task).sum(1)  # blocks shared with a task before this one
            last = leaders[np.arange(len(leaders)), np.maximum(depth, 1) - 1, task]
            if self._parent[task] >= 0:
                genes[:, self._parent[task]] = np.where(depth > 0, last, 0)
            if self._depth[task] >= 0:
                genes[:, self._depth[task]] = np.searchsorted(self.split_depths, depth)
        return genes

    # Variation --------------------------------------------------------------------------------------------------

    def draw(self, count: int, rng: np.random.Generator) -> Genes:
        drawn = (rng.random((count, len(self.levels))) * self.levels).astype(np.int64)
        if self.prior is not None:
            likely = self.prior(round(count * self.prior_share), rng)
            drawn[: len(likely)] = likely
        return drawn

    def vary(self, first: Genes, second: Genes, rng: np.random.Generator) -> Genes:
        """Uniform crossover in half of the children, where a task's parent and depth stay together; then mutation.

        A gene counts as active if it belongs to a node that is there. One active gene on average gets another value,
        and at least one does in a copy. Options that tasks merely follow are first set to those of their nodes, so
        that a branch which splits off starts as a copy of what it leaves.
        """
        count = len(first)
        both = np.concatenate([first, second])
        first, second = np.split(self._settled(both, self.leaders(both)), [count])
        from_second = rng.random(first.shape) < 0.5
        for task in range(1, self.tasks):
            if self._parent[task] >= 0 and self._depth[task] >= 0:
                from_second[:, self._parent[task]] = from_second[:, self._depth[task]]
        from_second &= rng.random((count, 1)) < 0.5
        children = np.where(from_second, second, first)
        leaders = self.leaders(children)
        children, active = self._settled(children, leaders), self._active(leaders)
        weights = active / np.maximum(1, active.sum(1, keepdims=True))
        changed = rng.random(first.shape) < weights
        still = np.flatnonzero(~changed.any(1) & ~from_second.any(1) & active.any(1))
        if len(still):
            # One active gene each: the first whose running share passes a uniform number.
            passed = np.cumsum(weights[still], axis=1) > rng.random((len(still), 1)) * (1 - 1e-9)
            changed[still, passed.argmax(1)] = True
        row, gene = np.nonzero(changed)
        children[row, gene] = self._moved(children[row, gene], gene, rng)
        return children

    def _moved(self, values: Ints, gene: Ints, rng: np.random.Generator) -> Ints:
        """Another value for each; of an option with several parts, half of the new ones differ in one part only."""
        levels = self.levels[gene]
        moved: Ints = (values + 1 + (rng.random(len(values)) * (levels - 1)).astype(np.int64)) % levels
        for block, near in enumerate(self._near):
            if not near.shape[1]:
                continue
            here = np.flatnonzero(np.isin(gene, self._option[block][self._option[block] >= 0]))
            here = here[rng.random(len(here)) < 0.5]
            choices = near[values[here]]  # (n, most), -1 where there are fewer
            here, choices = here[choices[:, 0] >= 0], choices[choices[:, 0] >= 0]
            place = (rng.random(len(here)) * (choices >= 0).sum(1)).astype(np.int64)
            moved[here] = choices[np.arange(len(here)), place]
        return moved

    def _settled(self, genes: Genes, leaders: Ints) -> Genes:
        """With the options of tasks that follow another set to those of their nodes."""
        options = self.path_options(genes, leaders)
        settled = genes.copy()
        settled[:, self._option[self._there]] = options[:, self._there]
        return settled

    def _active(self, leaders: Ints) -> NDArray[np.bool_]:
        """Genes that make a difference and have another value, (n, genes).

        Args:
            leaders: of the genes, (n, blocks, tasks).
        """
        active = np.zeros((len(leaders), len(self.levels)), dtype=bool)
        active[:, self._option[self._there]] = (leaders == np.arange(self.tasks))[:, self._there]
        for task in range(1, self.tasks):
            if self._depth[task] >= 0:
                active[:, self._depth[task]] = True
            if self._parent[task] >= 0:
                shares = (leaders[:, :, task] != task).any(1)
                active[:, self._parent[task]] = shares
        return active & (self.levels > 1)

    # What predictors see ----------------------------------------------------------------------------------------

    def view(self, cost: int | str) -> int:
        """0: the whole network; t + 1: the path of task t; T + 1: the work that is done; T + 2: all paths together."""
        name = self.objectives[cost] if isinstance(cost, int) else cost
        if name == LATENCY:
            return self.tasks + 1
        if name == MEAN_ERROR:
            return self.tasks + 2
        kind, _, task = name.partition("/")
        return self.space.tasks.index(task) + 1 if kind == "error" and task in self.space.tasks else 0

    def models(self, view: int) -> Sequence[Model]:
        return (WORK_MODEL,) if view == self.tasks + 1 else ()

    def features(self, genes: Genes, view: int) -> Floats:
        leaders, options = self.paths(genes)
        if view == self.tasks + 1:
            return self._work(leaders, options)
        seen = self._seen(leaders, options, view)
        if self._company is None:
            return seen
        return np.concatenate([seen, self._company(leaders, self._for(view))], axis=1)

    def _for(self, view: int) -> int | None:
        """The task whose path a view is of, None for all tasks."""
        return view - 1 if 0 < view <= self.tasks else None

    def _seen(self, leaders: Ints, options: Ints, view: int) -> Floats:
        if view == self.tasks + 2:
            return self._of_paths(leaders, options)
        if view:
            return self._of_path(self._copies(leaders)[:, :, view - 1], options[:, :, view - 1])
        parts = [
            (leaders[:, :, a] == leaders[:, :, b]) / np.sqrt(self.blocks) for a, b in combinations(range(self.tasks), 2)
        ]
        for block in range(self.blocks):
            for task in range(self.tasks):
                led = leaders[:, block, task] == task
                parts.append(led[:, None] * self._coded[block][options[:, block, task]])
        return np.concatenate(parts, axis=1)

    def groups(self, view: int) -> Ints:
        if view == self.tasks + 1:
            return self._work.groups()
        seen = self._groups_seen(view)
        return seen if self._company is None else np.append(seen, seen.max(initial=-1) + 1)

    def _groups_seen(self, view: int) -> Ints:
        coded = [[int(values.max()) + 1 for values in block.T] for block in self._parts]
        if view == self.tasks + 2:
            of_path = self._groups_seen(1)
            return np.concatenate([of_path, np.full(self.tasks * (self.tasks - 1) // 2, of_path.max(initial=-1) + 1)])
        if view:
            widths = [width for of_block in coded for width in (self.space.most_groups, *of_block)]
        else:
            widths = [self.blocks] * (self.tasks * (self.tasks - 1) // 2)
            widths += [width for of_block in coded for _ in range(self.tasks) for width in of_block]
        return np.repeat(np.arange(len(widths)), widths)

    def _copies(self, leaders: Ints) -> Ints:
        """Numbers of the copies whose weights the tasks use, (n, blocks, tasks)."""
        return copies(leaders, self.space.most_groups)

    def _of_path(self, used: Ints, options: Ints) -> Floats:
        """One-hot copies and parts of the options of every block, (n, features)."""
        rows = (used * self.options + options).T
        return np.concatenate([table.take(row, axis=0) for table, row in zip(self._node, rows, strict=True)], axis=1)

    def _of_paths(self, leaders: Ints, options: Ints, pairs: float = 0.4) -> Floats:
        """Means over the tasks of what their paths tell, and how much every pair of tasks shares, (n, features).

        A mean error is the mean of what the paths give, and tasks that have the same operator have it alike as a rule:
        this foresees it from fewer rows than a column for every node would. Pairs tell trees apart that have equal
        means; they count for little, since they say little.
        """
        used = self._copies(leaders)
        paths = self._of_path(used[:, :, 0], options[:, :, 0])
        for task in range(1, self.tasks):
            paths += self._of_path(used[:, :, task], options[:, :, task])
        one, other = self._pairs
        shared = (leaders[:, :, one] == leaders[:, :, other]).mean(1)
        return np.concatenate([paths / self.tasks, pairs * shared], axis=1)

    # What is known ----------------------------------------------------------------------------------------------

    def exact(self, genes: Genes) -> Exact:
        costs = self.costs(genes)
        objectives = {number: costs[name] for number, name in enumerate(self.objectives) if name in costs}
        constraints = {name: costs[name] - limit for name, limit in self.limits.items() if name in costs}
        return Exact(objectives, constraints)

    def costs(self, genes: Genes) -> dict[str, Floats]:
        """Exact costs by name, (n,) each."""
        return self._costs(*self.paths(genes))


def _coded(parts: Ints) -> Floats:
    """One-hot parts of every option, (options, columns): one that differs in a part is at a squared distance of 1."""
    coded: Floats = np.concatenate([np.eye(int(values.max()) + 1)[values] for values in parts.T], axis=1) / np.sqrt(2)
    return coded


def _of_copies(coded: Floats, most: int) -> Floats:
    """A row for every copy of a block and option in it: the copy's number one-hot, then the option's, (rows, columns).

    Args:
        coded: of the options, see `_coded`.
        most: copies.
    """
    copy, option = np.divmod(np.arange(most * len(coded)), len(coded))
    return np.concatenate([np.eye(most)[copy] / np.sqrt(2), coded[option]], axis=1)


def _near(parts: Ints) -> Ints:
    """Options that differ in one of several parts, (options, most), filled up with -1; none where there is one part."""
    if parts.shape[1] < 2:
        return np.full((len(parts), 0), -1, dtype=np.int64)
    differ = (parts[:, None] != parts[None]).sum(-1) == 1  # (options, options)
    found = np.full((len(parts), int(differ.sum(1).max(initial=0))), -1, dtype=np.int64)
    for option, others in enumerate(differ):
        near = np.flatnonzero(others)
        found[option, : len(near)] = near
    return found
