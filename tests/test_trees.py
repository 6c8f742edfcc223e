"""Trees, architectures and candidates: counting, encoding and drawing agree with trying everything."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import combinations, product
from math import prod

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from toys import all_trees, draws, plain_space, plain_spaces, plain_table

from mtnas.architecture import (
    EXACT_COSTS,
    Architecture,
    ArchitectureSpace,
    BlockChoices,
    Candidate,
    CostTable,
    Genome,
    QuantizationPolicy,
    Tree,
    crossover,
    decode,
    encode,
    feature_names,
    features,
    mutate,
    split_tree,
    to_graph,
)
from mtnas.architecture.counting import TreeCounter
from mtnas.errors import ArchitectureError

seeds = st.integers(0, 2**32)
SMALL = plain_space((True, False, True), (2, 2, 3))
"""Three tasks, small enough to try every member."""


# Counting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tasks", "blocks", "count"), [(3, 5, 51), (5, 5, 7_556), (6, 4, 44_590)])
def test_published_counts_of_trees(tasks: int, blocks: int, count: int) -> None:
    space = plain_space((True,) * blocks, (1,) * blocks, tasks)
    assert space.tree_count == count
    assert sum(1 for _ in space.trees()) == count
    assert len(set(space.trees())) == count


@pytest.mark.parametrize("tasks", [1, 2, 3, 4])
@pytest.mark.parametrize("branching", list(product((True, False), repeat=3)))
def test_counts_and_members_are_those_of_trying_every_chain(tasks: int, branching: tuple[bool, ...]) -> None:
    expected = all_trees(tasks, branching)
    space = plain_space(branching, (1, 1, 1), tasks)
    found = list(space.trees())
    assert space.tree_count == len(expected) == len(found)
    assert set(found) == set(expected)


@pytest.mark.parametrize("branching", [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("options", [(1, 1), (2, 3), (3, 1)])
def test_size_counts_the_options_of_every_node(branching: tuple[bool, ...], options: tuple[int, ...]) -> None:
    space = plain_space(branching, options)
    expected = sum(
        prod(options[block] ** len(tree.groups(block)) for block in range(2)) for tree in all_trees(3, branching)
    )
    members = list(space.architectures())
    assert space.size == expected == len(members) == len(set(members))
    for member in members:
        space.check(member)


def test_a_deep_space_is_counted_and_drawn_from_without_recursion_errors() -> None:
    space = plain_space((True,) * 2_000, (1,) * 2_000, 2)
    assert space.tree_count == 2_001
    assert space.draw_tree(random.Random(0)).blocks == 2_000


def test_trees_are_drawn_uniformly() -> None:
    space = plain_space((True, False, True), (1, 1, 1))
    rng = random.Random(0)
    drawn = Counter(space.draw_tree(rng) for _ in range(200 * space.tree_count))
    assert len(drawn) == space.tree_count == 12
    assert chisquare(list(drawn.values())).pvalue > 0.01


def test_a_tree_is_drawn_as_often_as_it_has_options() -> None:
    counter = TreeCounter(3, (True, True), (1, 2))
    rng = random.Random(0)
    drawn = Counter(counter.draw(rng) for _ in range(4_000))
    trees = list(counter.enumerate())
    ways = np.array([2 ** len(tree.groups(1)) for tree in trees])
    assert ways.sum() == counter.count()
    assert chisquare([drawn[tree] for tree in trees], 4_000 * ways / ways.sum()).pvalue > 0.01


def test_options_are_drawn_uniformly() -> None:
    space = plain_space((False, True), (2, 3))
    tree = Tree.from_groups([[[0, 1, 2]], [[0, 2], [1]]])
    rng = random.Random(0)
    drawn = Counter(space.draw_options(tree, rng) for _ in range(18 * 200))
    assert len(drawn) == 18 and all(architecture.tree == tree for architecture in drawn)
    assert chisquare(list(drawn.values())).pvalue > 0.01


@given(space=plain_spaces(), seed=seeds)
def test_what_is_drawn_is_a_member_and_follows_the_seed(space: ArchitectureSpace, seed: int) -> None:
    architecture = space.draw(random.Random(seed))
    space.check(architecture)
    assert architecture == space.draw(random.Random(seed))


# Form ------------------------------------------------------------------------------------------------------------


@given(space=plain_spaces(), seed=seeds)
def test_partitions_only_refine_and_nodes_hold_every_task_once(space: ArchitectureSpace, seed: int) -> None:
    tree = space.draw_tree(random.Random(seed))
    for block in range(tree.blocks):
        groups = tree.groups(block)
        assert sorted(task for group in groups for task in group) == list(range(tree.tasks))
        assert [group[0] for group in groups] == sorted(min(group) for group in groups)
        if block:
            assert all(any(set(group) <= set(parent) for parent in tree.groups(block - 1)) for group in groups)
    assert len(tree.nodes()) == tree.node_count == sum(len(tree.groups(block)) for block in range(tree.blocks))


@given(space=plain_spaces(), seed=seeds)
def test_equal_trees_are_equal_however_their_groups_are_ordered(space: ArchitectureSpace, seed: int) -> None:
    rng = random.Random(seed)
    tree = space.draw_tree(rng)
    rows = []
    for block in range(tree.blocks):
        groups = [rng.sample(group, len(group)) for group in tree.groups(block)]
        rows.append(rng.sample(groups, len(groups)))
    again = Tree.from_groups(rows)
    assert again == tree and hash(again) == hash(tree) and str(again) == str(tree)


def test_text_tells_trees_apart() -> None:
    trees = list(plain_space((True, True), (1, 1), 4).trees())
    assert len({str(tree) for tree in trees}) == len(trees)
    assert str(Tree.from_groups([[[0, 1, 2]], [[1], [2, 0]]])) == "012|02.1"
    # Two digits run into one another unless something stands between them.
    one, other = Tree((tuple(range(12)),)), Tree(((*range(10), 1, 11),))
    assert str(one) != str(other) and str(Tree.shared(12, 1)) == "0,1,2,3,4,5,6,7,8,9,10,11"


@given(space=plain_spaces(), seed=seeds)
def test_json_gives_back_the_architecture_in_any_order_of_groups(space: ArchitectureSpace, seed: int) -> None:
    rng = random.Random(seed)
    architecture = space.draw(rng)
    value = json.loads(json.dumps(architecture.to_json()))
    assert Architecture.from_json(value) == architecture
    for block in range(len(space.blocks)):
        pairs = list(zip(value["groups"][block], value["options"][block], strict=True))
        rng.shuffle(pairs)
        value["groups"][block] = [rng.sample(group, len(group)) for group, _ in pairs]
        value["options"][block] = [option for _, option in pairs]
    again = Architecture.from_json(value)
    assert again == architecture and hash(again) == hash(architecture)
    assert Candidate(again).id == Candidate(architecture).id
    assert ArchitectureSpace.from_json(json.loads(json.dumps(space.to_json()))) == space


@given(space=plain_spaces(), seed=seeds)
def test_a_path_is_what_the_nodes_of_the_task_say(space: ArchitectureSpace, seed: int) -> None:
    architecture = space.draw(random.Random(seed))
    for task in range(len(space.tasks)):
        mine = [(group[0], option) for _, group, option in architecture.nodes() if task in group]
        assert list(architecture.path(task)) == mine


def test_corner_trees() -> None:
    assert Tree.shared(3, 2) == Tree.from_groups([[[0, 1, 2]]] * 2)
    assert Tree.split(3, 2) == Tree.from_groups([[[0], [1], [2]]] * 2)
    for branching in product((True, False), repeat=3):
        space = plain_space(branching, (1, 1, 1))
        assert split_tree(space) == max(space.trees(), key=lambda tree: tree.node_count)


# Encoding --------------------------------------------------------------------------------------------------------


def test_every_encoding_is_a_tree_and_every_tree_is_reached() -> None:
    options = (("o0",) * 3,) * 3
    places = [product(range(task), range(4)) for task in (1, 2)]
    reached = set()
    for chosen in product(*places):
        genome = Genome(tuple(parent for parent, _ in chosen), tuple(depth for _, depth in chosen), options)
        reached.add(decode(genome).tree)
    assert reached == set(all_trees(3, (True,) * 3))


@given(space=plain_spaces(), seed=seeds)
def test_decoding_undoes_encoding(space: ArchitectureSpace, seed: int) -> None:
    architecture = space.draw(random.Random(seed))
    genome = encode(architecture)
    assert decode(genome) == architecture
    assert all(parent <= task for task, parent in enumerate(genome.parents))
    assert set(genome.depths) <= set(space.split_depths)


@given(space=plain_spaces(), seed=seeds)
def test_genes_of_nodes_that_are_not_there_do_nothing(space: ArchitectureSpace, seed: int) -> None:
    rng = random.Random(seed)
    architecture = space.draw(rng)
    genome = encode(architecture)
    options = [
        tuple(
            option if architecture.tree.leaders[block][task] == task else rng.choice(space.blocks[block].options)
            for task, option in enumerate(row)
        )
        for block, row in enumerate(genome.options)
    ]
    # A task that shares nothing has no use for its parent either.
    parents = tuple(
        parent if depth else rng.randrange(task + 1)
        for task, (parent, depth) in enumerate(zip(genome.parents, genome.depths, strict=True))
    )
    other = decode(Genome(parents, genome.depths, tuple(options)))
    assert other == architecture and encode(other) == genome
    assert np.array_equal(*features(space, [architecture, other]))


@given(space=plain_spaces(), seed=seeds, rate=st.sampled_from([None, 0.0, 0.5, 1.0]))
def test_mutants_are_other_members(space: ArchitectureSpace, seed: int, rate: float | None) -> None:
    rng = random.Random(seed)
    architecture = space.draw(rng)
    mutant = mutate(space, architecture, rng, rate)
    space.check(mutant)
    assert (mutant != architecture) == (space.size > 1)


def test_a_branch_cut_off_in_a_mutation_starts_as_a_copy_of_what_it_leaves() -> None:
    """Every gene is redrawn: with two options a block, all nodes of the shared tree get the other one."""
    space = plain_space((True, True, True), (2, 2, 2))
    shared = Architecture.uniform(Tree.shared(3, 3), ("o0",) * 3)
    for seed in range(20):
        mutant = mutate(space, shared, random.Random(seed), 1.0)
        assert mutant.tree != shared.tree
        assert {option for _, _, option in mutant.nodes()} == {"o1"}


def test_mutation_reaches_every_member_from_every_other() -> None:
    space = plain_space((True, False, True), (1, 2, 2))
    rng = random.Random(0)
    graph = nx.DiGraph()
    for architecture in space.architectures():
        graph.add_edges_from((architecture, mutate(space, architecture, rng, 0.0)) for _ in range(60))
    assert len(graph) == space.size
    assert nx.is_strongly_connected(graph)


@given(space=plain_spaces(), seed=seeds)
def test_children_are_members_that_take_after_their_parents(space: ArchitectureSpace, seed: int) -> None:
    rng = random.Random(seed)
    one, two = space.draw(rng), space.draw(rng)
    child = crossover(one, two, rng)
    space.check(child)
    assert crossover(one, one, rng) == one
    for block, group, option in child.nodes():
        assert option in {parent.path(group[0])[block][1] for parent in (one, two)}
    # The second task has one possible parent, so that it stands where it stood in one of the two trees.
    if len(space.tasks) > 1:
        assert encode(child).depths[0] in {encode(one).depths[0], encode(two).depths[0]}


# Features and graphs ---------------------------------------------------------------------------------------------


def test_features_tell_architectures_apart_and_only_them() -> None:
    members = list(SMALL.architectures())
    rows = features(SMALL, members)
    assert rows.shape == (SMALL.size, len(feature_names(SMALL)))
    assert len({row.tobytes() for row in rows}) == SMALL.size
    assert np.array_equal(rows, features(SMALL, [Architecture.from_json(member.to_json()) for member in members]))
    assert features(SMALL, []).shape == (0, rows.shape[1])


@given(space=plain_spaces(), seed=seeds)
def test_features_say_what_their_names_say(space: ArchitectureSpace, seed: int) -> None:
    architecture = space.draw(random.Random(seed))
    names = feature_names(space)
    assert len(set(names)) == len(names)
    (row,) = features(space, [architecture])
    expected = set()
    for block, group, option in architecture.nodes():
        name = space.blocks[block].name
        expected.add(f"option/{name}/{space.tasks[group[0]]}={option}")
        expected |= {f"share/{name}/{space.tasks[a]}+{space.tasks[b]}" for a, b in combinations(group, 2)}
    assert {name for name, value in zip(names, row, strict=True) if value} == expected
    assert set(row.tolist()) <= {0.0, 1.0}


@given(space=plain_spaces(), seed=seeds)
def test_the_graph_is_a_tree_from_the_input_to_the_heads(space: ArchitectureSpace, seed: int) -> None:
    architecture = space.draw(random.Random(seed))
    graph = to_graph(space, architecture)
    assert nx.is_arborescence(graph) and len(graph) == architecture.tree.node_count + len(space.tasks) + 1
    assert graph.in_degree("input") == 0 and graph.nodes["input"]["tasks"] == space.tasks
    heads = {name for name, degree in graph.out_degree() if degree == 0}
    assert heads == {f"head/{task}" for task in space.tasks}
    assert heads == {name for name, kind in graph.nodes(data="kind") if kind == "head"}
    for number, task in enumerate(space.tasks):
        start, *path, end = nx.shortest_path(graph, "input", f"head/{task}")
        nodes = [graph.nodes[name] for name in path]
        assert [(node["leader"], node["option"]) for node in nodes] == list(architecture.path(number))
        assert [node["block"] for node in nodes] == [block.name for block in space.blocks]
        layers = [graph.nodes[name]["layer"] for name in (start, *path, end)]
        assert layers == list(range(len(space.blocks) + 2))
        assert all(task in node["tasks"] and node["kind"] == "block" for node in nodes)
        assert graph.nodes[end]["tasks"] == (task,)


@pytest.mark.parametrize("name", ["input", "stem", "head"])
def test_no_block_takes_the_place_of_the_input_or_a_head_in_the_graph(name: str) -> None:
    with pytest.raises(ArchitectureError, match=f"'{name}'"):
        ArchitectureSpace(("a", "b"), (BlockChoices(name, ("o",)),))


# Candidates ------------------------------------------------------------------------------------------------------

EXAMPLE = Architecture(Tree.from_groups([[[0, 1, 2]], [[0, 2], [1]]]), (("o0",), ("o1", "o0")))


def test_ids_never_change() -> None:
    """Studies and people refer to candidates by their ids: another program version must give the same."""
    assert Candidate(EXAMPLE).id == "b00ba49172"
    assert Candidate(EXAMPLE, QuantizationPolicy.of({(1, 1): (8, 8)})).id == "34f3a4ec3c"


def test_ids_depend_on_the_value_only() -> None:
    ids = {Candidate(member).id for member in SMALL.architectures()}
    assert len(ids) == SMALL.size
    with_bits = Candidate(EXAMPLE, QuantizationPolicy.of({(1, 1): (8, 8), (0, 0): (4, 8), (1, 0): (32, 32)}))
    same = Candidate(EXAMPLE, QuantizationPolicy.of({(0, 0): (4, 8), (1, 1): (8, 8)}))
    assert with_bits == same and with_bits.id == same.id != Candidate(EXAMPLE).id
    assert Candidate(EXAMPLE, QuantizationPolicy.of({(0, 0): (32, 32)})) == Candidate(EXAMPLE)


def test_all_nodes_can_have_the_same_bits() -> None:
    nodes = {(block, group[0]) for block, group in EXAMPLE.tree.nodes()}
    assert Candidate.uniform(EXAMPLE, (7, 8)) == Candidate(EXAMPLE, QuantizationPolicy.of(dict.fromkeys(nodes, (7, 8))))
    assert Candidate.uniform(EXAMPLE, (32, 32)) == Candidate(EXAMPLE)


@given(seed=seeds, bits=st.lists(st.tuples(st.integers(1, 32), st.integers(1, 32)), min_size=12, max_size=12))
def test_json_gives_back_the_candidate(seed: int, bits: list[tuple[int, int]]) -> None:
    architecture = SMALL.draw(random.Random(seed))
    nodes = [(block, group[0]) for block, group in architecture.tree.nodes()]
    policy = QuantizationPolicy.of(dict(zip(nodes, bits, strict=False)))
    candidate = Candidate(architecture, policy)
    again = Candidate.from_json(json.loads(json.dumps(candidate.to_json())))
    assert again == candidate and hash(again) == hash(candidate) and again.id == candidate.id
    for node, pair in zip(nodes, bits, strict=False):
        assert again.policy.bits(*node) == pair
    assert again.policy.bits(99, 0) == (32, 32)


# Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaders", "problem"),
    [
        ((), "at least one block and one task"),
        (((),), "at least one block and one task"),
        (((0, 0), (0, 0, 0)), "block 1 of a tree names 3 tasks, but block 0 names 2"),
        (((0, 2, 2),), "block 0: task 1 has leader 2, but a leader is the lowest task of its group"),
        (((0, 0, 1),), "block 0: task 2 has leader 1"),
        (((0, -1),), "block 0: task 1 has leader -1"),
        (((0, 1), (0, 0)), "block 1 joins tasks 0 and 1, which an earlier block split"),
        (((0, 1, 0), (0, 1, 1)), "block 1 joins tasks 1 and 2, which an earlier block split"),
    ],
)
def test_impossible_trees_are_refused(leaders: tuple[tuple[int, ...], ...], problem: str) -> None:
    with pytest.raises(ArchitectureError, match=problem):
        Tree(leaders)


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ([[[0, 1], [1, 2]]], "block 0 has task 1 in two groups"),
        ([[[0, 2]]], r"block 0 must hold each of tasks 0..T-1 once, but holds \[0, 2\]"),
        ([[[0], [1]], [[0, 1]]], "block 1 joins tasks 0 and 1"),
        ([], "at least one block"),
    ],
)
def test_impossible_groups_are_refused(groups: list[list[list[int]]], problem: str) -> None:
    with pytest.raises(ArchitectureError, match=problem):
        Tree.from_groups(groups)


def test_options_that_do_not_fit_the_tree_are_refused() -> None:
    tree = EXAMPLE.tree
    with pytest.raises(ArchitectureError, match="the tree has 2 blocks, but options are given for 1"):
        Architecture(tree, (("o0",),))
    with pytest.raises(ArchitectureError, match="block 1 has 2 nodes, but 1 options are given"):
        Architecture(tree, (("o0",), ("o0",)))
    with pytest.raises(ArchitectureError, match="the tree has 2 blocks, but options are given for 3"):
        Architecture.uniform(tree, ("o0",) * 3)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "not an architecture: {} needs 'groups' and 'options' lists"),
        ({"groups": [[[0]]], "options": 3}, "not an architecture"),
        ({"groups": [[["x"]]], "options": [["o"]]}, "not an architecture"),
        ([], "not an architecture"),
        ({"groups": [[[0, 1]]], "options": [["o", "o"]]}, "block 0 has 1 groups, but 2 options"),
        ({"groups": [[[0], []]], "options": [["o", "o"]]}, "block 0 has an empty group"),
        ({"groups": [[[0]], [[0]]], "options": [["o"]]}, "2 blocks of groups, but 1 of options"),
        ({"groups": [[[0]]], "options": [["o"]], "policy": [{"block": 0}]}, "not a quantization policy"),
        ({"groups": [[[0]]], "options": [["o"]], "policy": 7}, "not a quantization policy"),
    ],
)
def test_damaged_json_is_refused(value: dict[str, object], problem: str) -> None:
    with pytest.raises(ArchitectureError, match=problem):
        Candidate.from_json(value)


@pytest.mark.parametrize("bits", [(0, 8), (8, 33), (-4, 8)])
def test_impossible_bits_are_refused(bits: tuple[int, int]) -> None:
    with pytest.raises(ArchitectureError, match=rf"node \(0, 0\) is given bits .*{bits[0]}, {bits[1]}.*1 to 32"):
        QuantizationPolicy.of({(0, 0): bits})


def test_impossible_policies_are_refused() -> None:
    for second in ((8, 8), (4, 8), (32, 32)):
        with pytest.raises(ArchitectureError, match="names a node twice"):
            QuantizationPolicy((((0, 0), (8, 8)), ((0, 0), second)))
    with pytest.raises(ArchitectureError, match="bits for block 0 led by task 1, but this tree has no such node"):
        Candidate(EXAMPLE, QuantizationPolicy.of({(0, 1): (8, 8)}))


@pytest.mark.parametrize(
    ("architecture", "problem"),
    [
        (
            Architecture.uniform(Tree.shared(2, 3), ("o0",) * 3),
            "the architecture has 2 tasks and 3 blocks, but the space has 3 and 3",
        ),
        (Architecture.uniform(Tree.shared(3, 2), ("o0",) * 2), "3 tasks and 2 blocks, but the space has 3 and 3"),
        (
            Architecture.uniform(Tree(((0, 0, 0), (0, 0, 2), (0, 0, 2))), ("o0",) * 3),
            "branches at block 'b1', where branching is not allowed",
        ),
        (
            Architecture.uniform(Tree.shared(3, 3), ("o0", "o0", "o3")),
            "block 'b2': there is no option 'o3', did you mean 'o[0-2]'",
        ),
    ],
)
def test_architectures_of_other_spaces_are_refused(architecture: Architecture, problem: str) -> None:
    for use in (SMALL.check, lambda a: features(SMALL, [a]), lambda a: to_graph(SMALL, a)):
        with pytest.raises(ArchitectureError, match=problem):
            use(architecture)


def test_impossible_spaces_are_refused() -> None:
    block = BlockChoices("b", ("o",))
    for tasks, blocks, problem in (
        ((), (block,), "needs at least one task"),
        (("a",), (), "needs at least one block"),
        (("a", "b", "a"), (block,), "task names must differ, but 'a' is there twice"),
        (("a",), (block, block), "block names must differ, but 'b' is there twice"),
        (("a",), (BlockChoices("b", ()),), "block 'b' has no options"),
    ):
        with pytest.raises(ArchitectureError, match=problem):
            ArchitectureSpace(tasks, blocks)
    with pytest.raises(ArchitectureError, match="not a space"):
        ArchitectureSpace.from_json({"tasks": ["a"]})


def test_an_option_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="'o'.* twice"):
        ArchitectureSpace(("a",), (BlockChoices("b", ("o", "p", "o")),))


# Costs -----------------------------------------------------------------------------------------------------------


@given(space=plain_spaces(3, 3, 2), seed=seeds)
def test_the_smallest_and_largest_costs_are_those_of_trying_everything(space: ArchitectureSpace, seed: int) -> None:
    table = plain_table(space, seed)
    members = list(space.architectures()) if space.size < 300 else list(draws(space, 100, seed))
    for name in EXACT_COSTS:
        values = [table.of(space, member)[name] for member in members]
        low, high = table.smallest(space, name), table.largest(space, name)
        assert low <= min(values) and max(values) <= high
        if len(members) == space.size:
            assert (low, high) == (min(values), max(values))


@given(
    options=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=seeds,
    slack=st.tuples(st.integers(-2, 1), st.integers(-2, 1)),
)
def test_budgets_are_met_if_and_only_if_some_member_meets_them(
    options: list[int], seed: int, slack: tuple[int, int]
) -> None:
    """Limits are close to the costs of a member that may be beaten in one cost only by losing in the other."""
    space = plain_space((False,) * len(options), options, 2)
    table = plain_table(space, seed)
    costs = [table.of(space, member) for member in space.architectures()]
    aim = random.Random(seed).choice(costs)
    limits = {name: aim[name] + extra for name, extra in zip(EXACT_COSTS, slack, strict=True)}
    for names in (EXACT_COSTS, EXACT_COSTS[:1], EXACT_COSTS[1:], ()):
        budgets = {name: limits[name] for name in names}
        found = table.meeting(space, {**budgets, "latency_ms": 0.0})
        reachable = any(all(cost[name] <= limit for name, limit in budgets.items()) for cost in costs)
        assert (found is not None) == reachable
        if found is not None:
            space.check(found)
            assert all(table.of(space, found)[name] <= limit for name, limit in budgets.items())


def test_branching_does_not_help_to_meet_budgets() -> None:
    for seed in range(30):
        table = plain_table(SMALL, seed)
        for member in draws(SMALL, 5, seed):
            found = table.meeting(SMALL, table.of(SMALL, member))
            assert found is not None and found.tree == Tree.shared(3, 3)


@given(space=plain_spaces(), seed=seeds)
def test_costs_add_up_over_the_nodes(space: ArchitectureSpace, seed: int) -> None:
    table = plain_table(space, seed)
    architecture = space.draw(random.Random(seed))
    total = table.of(space, architecture)
    for column, name in enumerate(EXACT_COSTS):
        nodes = sum(
            table.options[block][0][space.blocks[block].options.index(option)][column]
            for block, _, option in architecture.nodes()
        )
        assert total[name] == nodes + table.stem[column] + sum(head[column] for head in table.heads[0])
    assert CostTable.from_json(json.loads(json.dumps(table.to_json()))) == table


def test_damaged_cost_tables_are_refused() -> None:
    good = plain_table(SMALL).to_json()
    with pytest.raises(ArchitectureError, match=r"\['bytes'\] was read, but \['params', 'macs'\] is needed"):
        CostTable.from_json({**good, "names": ["bytes"]})
    for damage in ({"stem": None}, {"options": [[["x"]]]}, {"heads": 3}):
        with pytest.raises(ArchitectureError, match="not a cost table"):
            CostTable.from_json({**good, **damage})
