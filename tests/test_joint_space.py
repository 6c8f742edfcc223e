"""Architectures and bits as one space: every member is one candidate, its size is that of its weights."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import plain_space, plain_spaces, toy_space, toy_x

from mtnas.architecture import (
    FLOAT,
    INT8,
    SIZE,
    Architecture,
    ArchitectureSpace,
    Candidate,
    CostTable,
    JointSpace,
    QuantizationPolicy,
    Tree,
)
from mtnas.errors import ArchitectureError, QuantizationError
from mtnas.quantizing import JointCosts, joint_costs, network_bytes, wire
from mtnas.searching import Parameters
from mtnas.searching.tree_genes import TreeGenes
from mtnas.searching.work_features import WorkFeatures
from mtnas.space.block import Block
from mtnas.space.elastic import elastic
from mtnas.space.operators import conv, inverted_residual, skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.supernet import SuperNetwork

BITS = (FLOAT, INT8, (4, 8))

seeds = st.integers(0, 2**32)


def joint_of(space: ArchitectureSpace, seed: int, precisions: tuple[tuple[int, int], ...] = BITS) -> JointSpace:
    rng = random.Random(seed)
    able = tuple(tuple(rng.random() < 0.7 for _ in block.options) for block in space.blocks)
    return JointSpace(space, precisions, able)


# Members ----------------------------------------------------------------------------------------------------------


@given(plain_spaces(), seeds)
def test_every_member_is_a_candidate_and_back(space: ArchitectureSpace, seed: int) -> None:
    joint = joint_of(space, seed)
    member = joint.product.draw(random.Random(seed))
    candidate = joint.split(member)
    joint.base.check(candidate.architecture)
    assert candidate.architecture.tree == member.tree
    assert joint.join(candidate) == member


@given(plain_spaces(most_tasks=3, most_blocks=2, most_options=2), seeds)
def test_different_members_are_different_candidates(space: ArchitectureSpace, seed: int) -> None:
    joint = joint_of(space, seed, (FLOAT, INT8))
    candidates = {joint.split(member) for member in joint.product.architectures()}
    assert len(candidates) == joint.product.size


@given(plain_spaces(), seeds)
def test_bits_that_make_no_difference_are_left_out(space: ArchitectureSpace, seed: int) -> None:
    joint, rng = joint_of(space, seed), random.Random(seed)
    architecture = space.draw(rng)
    nodes = [(block, group[0]) for block, group in architecture.tree.nodes()]
    candidate = Candidate(architecture, QuantizationPolicy.of({node: rng.choice(BITS) for node in nodes}))
    canonical = joint.canonical(candidate)
    for block, group, option in architecture.nodes():
        able = joint.quantizable[block][space.blocks[block].options.index(option)]
        wanted = candidate.policy.bits(block, group[0]) if able else FLOAT
        assert canonical.policy.bits(block, group[0]) == wanted
    assert joint.canonical(canonical) == canonical


def test_float_options_keep_their_names_and_come_first() -> None:
    joint = JointSpace(plain_space([True], [2]), (INT8, FLOAT), ((True, False),))
    assert joint.product.blocks[0].options == ("o0", "o1", "o0 W8A8")


def test_float_alone_is_the_space_itself() -> None:
    space = plain_space([True, False], [2, 3])
    assert JointSpace.in_float(space).product == space


@pytest.mark.parametrize("precisions", [(), (INT8,), (FLOAT, INT8, INT8)])
def test_precisions_must_differ_and_hold_float(precisions: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ArchitectureError, match="must differ, and .*float"):
        JointSpace(plain_space([True], [1]), precisions, ((True,),))


def test_other_bits_are_refused() -> None:
    joint = JointSpace(plain_space([True], [1]), (FLOAT, INT8), ((True,),))
    tree = Tree.shared(3, 1)
    candidate = Candidate(Architecture.uniform(tree, ("o0",)), QuantizationPolicy.of({(0, 0): (4, 8)}))
    with pytest.raises(ArchitectureError, match="has W4A8, but the space has float, W8A8"):
        joint.join(candidate)


# Sizes ------------------------------------------------------------------------------------------------------------


def elastic_space() -> SearchSpace:
    blocks = (
        Block("first", elastic(conv, channels=(4, 6), kernel=(1, 3), stride=2)),
        Block("second", {**elastic(inverted_residual, channels=None, kernel=(3,), expansion=(1, 2)), "skip": skip()}),
        Block("third", elastic(conv, channels=(3, 8), kernel=(3,))),
    )
    return SearchSpace([classification("one", 3), classification("two", 2)], blocks)


@pytest.mark.parametrize(("space", "x"), [(toy_space(stem=True), toy_x(8)), (elastic_space(), None)])
def test_the_size_is_that_of_the_network_s_weights(space: SearchSpace, x: object) -> None:
    import torch

    example = toy_x(8) if x is not None else torch.rand(4, 1, 8, 8)
    found = space.dry_run(example)
    costs = joint_costs(space, found, example, BITS)
    supernet, rng = SuperNetwork(space, found), random.Random(0)
    assert costs.table.names == ("params", "macs", SIZE)
    for _ in range(25):
        member = costs.space.product.draw(rng)
        candidate = costs.space.split(member)
        network = supernet.extract(candidate.architecture)
        counted = network_bytes(network, candidate.policy, wire(network, example))
        of_table = costs.table.of(costs.space.product, member)
        assert of_table[SIZE] == counted / 1024
        base = found.costs.of(space.architectures, candidate.architecture)
        assert {name: of_table[name] for name in base} == base


def test_what_has_no_weights_has_no_bits() -> None:
    import torch

    space, example = elastic_space(), torch.rand(2, 1, 8, 8)
    joint = joint_costs(space, space.dry_run(example), example, (FLOAT, INT8)).space
    skips = space.architectures.blocks[1].options.index("skip")
    assert [able for able, name in zip(joint.quantizable[1], joint.base.blocks[1].options, strict=True)] == [
        number != skips for number in range(len(joint.quantizable[1]))
    ]
    assert "skip W8A8" not in joint.product.blocks[1].options


def test_bits_that_integers_do_not_have_are_refused() -> None:
    space = toy_space()
    with pytest.raises(QuantizationError, match="16 bits"):
        joint_costs(space, space.dry_run(toy_x(4)), toy_x(4), (FLOAT, (8, 16)))


# Genes ------------------------------------------------------------------------------------------------------------


def genes_of(costs: JointCosts, objectives: tuple[str, ...] = ("error/height", "latency_ms", SIZE)) -> TreeGenes:
    parameters = Parameters(costs.space.product)
    return TreeGenes(
        costs.space.product,
        costs.table,
        [*parameters.distributions],
        objectives,
        {SIZE: 3.0},
        parts=costs.space.parts,
    )


def toy_costs() -> JointCosts:
    space = toy_space()
    return joint_costs(space, space.dry_run(toy_x(4)), toy_x(4), (INT8, FLOAT))


def test_sizes_of_genes_are_those_of_the_table() -> None:
    costs = toy_costs()
    genes, parameters = genes_of(costs), Parameters(costs.space.product)
    drawn = genes.draw(200, np.random.default_rng(0))
    names = [*parameters.distributions]
    sizes = genes.costs(drawn)[SIZE]
    for row, size in zip(drawn, sizes, strict=True):
        values = {
            name: distribution.choices[gene] if hasattr(distribution, "choices") else int(gene)
            for (name, distribution), gene in zip(parameters.distributions.items(), row.tolist(), strict=True)
        }
        assert list(values) == names
        assert size == costs.table.of(costs.space.product, parameters.decode(values))[SIZE]
    assert (genes.exact(drawn).objectives[2] == sizes).all()
    assert (genes.exact(drawn).constraints[SIZE] == sizes - 3.0).all()
    assert set(genes.exact(drawn).objectives) == {2}


def test_operators_and_bits_are_seen_apart() -> None:
    """Two nodes of one operator in other bits are nearer to each other than nodes that share neither."""
    costs = toy_costs()
    genes = genes_of(costs)
    drawn = np.repeat(genes.draw(1, np.random.default_rng(0)), 4, axis=0)
    options = list(costs.space.product.blocks[0].options)
    place = [*Parameters(costs.space.product).distributions].index(f"option/{costs.space.base.blocks[0].name}/height")
    drawn[:, place] = [options.index(name) for name in ("linear", "linear W8A8", "wide", "wide W8A8")]
    features = genes.features(drawn, 1)
    squares = ((features[:, None] - features[None]) ** 2).sum(-1).round(9)
    assert squares[0].tolist() == [0, 1, 1, 2] and squares[1].tolist() == [1, 0, 2, 1]
    assert features.shape[1] == len(genes.groups(1)) and len(set(genes.groups(1).tolist())) == 9


def test_half_of_the_moves_change_operator_or_bits_alone() -> None:
    costs = toy_costs()
    genes, rng = genes_of(costs), np.random.default_rng(1)
    parts = np.array(costs.space.parts[0])
    values = np.zeros(4000, dtype=np.int64)
    place = [*Parameters(costs.space.product).distributions].index(f"option/{costs.space.base.blocks[0].name}/height")
    moved = genes._moved(values, np.full(4000, place), rng)
    changed = (parts[moved] != parts[0]).sum(1)
    assert (changed > 0).all()
    # Of the three other options two differ in one part: 1/2 + 1/2 * 2/3 of the moves.
    assert 0.78 < (changed == 1).mean() < 0.88


def test_an_option_without_neighbours_still_moves() -> None:
    """A block whose only other option differs in operator and bits."""
    space = plain_space([True], [2], tasks=2)
    joint = JointSpace(space, (FLOAT, INT8), ((True, False),))
    table = CostTable.plain((0, 0), [[(1, 1), (1, 1), (1, 1)]], [(0, 0)] * 2)
    names = [*Parameters(joint.product).distributions]
    genes = TreeGenes(joint.product, table, names, ("error/a",), {}, parts=[[(0, 0), (1, 1), (2, 2)]])
    for _ in range(20):
        children = genes.vary(*[genes.draw(50, np.random.default_rng(0))] * 2, np.random.default_rng(0))
        assert (children >= 0).all() and (children < genes.levels).all()


# Work -------------------------------------------------------------------------------------------------------------


def test_work_does_not_depend_on_whose_it_is() -> None:
    """Swapping the tasks of a network changes who leads its nodes, not what they do."""
    rng = np.random.default_rng(0)
    table = CostTable.plain((0, 0), [[(1, 5), (2, 7), (0, 0)], [(3, 1), (4, 2)]], [(0, 0)] * 2)
    parts = [np.array([(0, 0), (0, 1), (1, 0)]), np.array([(0, 0), (0, 1)])]
    work = WorkFeatures(table, parts, 2)
    for split in (True, False):
        leaders = np.array([[[0, 0], [0, 1 if split else 0]]])
        options = rng.integers(0, 2, size=(1, 2, 2))
        options[:, 0, 1] = options[:, 0, 0]
        if not split:
            options[:, 1, 1] = options[:, 1, 0]
        swapped = options[:, :, ::-1]
        assert (work(leaders, options) == work(leaders, swapped)).all()


def test_latency_is_linear_in_work_that_adds_up() -> None:
    """A made latency of nodes and conversions is predicted to rounding by the view that a search uses for it."""
    costs = toy_costs()
    genes, rng = genes_of(costs), np.random.default_rng(3)
    drawn = genes.draw(400, rng)
    view = genes.view("latency_ms")
    features = genes.features(drawn, view)
    assert features.shape == (400, len(genes.groups(view)))
    made = features @ rng.random(features.shape[1])
    (model,) = genes.models(view)
    fitted = model.tuned(features[:200], made[:200], genes.groups(view))(features[:200], made[:200])
    assert np.abs(fitted.mean(features[200:]) - made[200:]).max() < 0.01 * made.std()
    assert genes.models(0) == ()
