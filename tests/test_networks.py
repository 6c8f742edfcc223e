"""Trees that differ in nodes that do nothing are one network, and measured once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import pytest
import toy_space
from optuna.samplers import RandomSampler
from toy_runs import supernet

from mtnas.architecture import FLOAT, Architecture, Candidate, JointSpace
from mtnas.evaluation import CandidateErrors
from mtnas.predicting.genetics import fingerprints
from mtnas.quantizing import JointCosts, joint_costs
from mtnas.runs import Run
from mtnas.searching import SearchSettings, search
from mtnas.searching.networks import Networks
from mtnas.searching.parameters import Parameters
from mtnas.searching.tree_genes import TreeGenes
from mtnas.space.block import Block
from mtnas.space.search_space import SearchSpace
from mtnas.training import train

SPACE = toy_space.space
EXAMPLE = toy_space.data(None).example()[0]
FOUND = SPACE.dry_run(EXAMPLE)
IN_FLOAT = JointCosts(JointSpace.in_float(SPACE.architectures), FOUND.costs, idle=FOUND.idle)
MEMBERS = tuple(SPACE.architectures.architectures())


def by_network(costs: JointCosts) -> dict[Hashable, list[Architecture]]:
    found = defaultdict(list)
    for member in MEMBERS:
        found[costs.same(Candidate(member))].append(member)
    return found


def calls(member: Architecture) -> frozenset[tuple[int, str, frozenset[int]]]:
    """The operators that work: block, option, and the tasks whose outputs are made by them."""
    return frozenset((block, option, frozenset(group)) for block, group, option in member.nodes() if option != "skip")


def test_an_option_that_hands_on_what_enters_is_idle() -> None:
    assert FOUND.idle == ((False, False), (False, False, True), (False, False))


def test_networks_are_told_by_what_works_in_them() -> None:
    found = by_network(IN_FLOAT)
    assert len({calls(member) for member in MEMBERS}) == len(found) < len(MEMBERS)
    assert all(len({calls(member) for member in same}) == 1 for same in found.values())
    # Without a dry run nothing is known to be idle.
    assert len(by_network(JointCosts(JointSpace.in_float(SPACE.architectures), FOUND.costs))) == len(MEMBERS)


def test_trees_of_one_network_have_equal_costs() -> None:
    judge = CandidateErrors(supernet(), toy_space.data(None))
    alike = [same for same in by_network(IN_FLOAT).values() if len(same) > 1]
    for first, *others in alike[:: len(alike) // 12]:
        for other in others:
            assert judge(Candidate(first)) == judge(Candidate(other))
            assert FOUND.costs.of(SPACE.architectures, first) == FOUND.costs.of(SPACE.architectures, other)


@pytest.mark.parametrize("precisions", [(FLOAT,), (FLOAT, (8, 8))])
def test_genes_agree(precisions: tuple[tuple[int, int], ...]) -> None:
    costs = joint_costs(SPACE, FOUND, EXAMPLE, precisions)
    product = costs.space.product
    parameters = Parameters(product)
    genes = TreeGenes(product, costs.table, [*parameters.distributions], ["params"], {}, idle=costs.idle)
    everything = list(product.architectures())
    skipping = [member for member in everything if {*member.options[1]} == {"skip"}]
    members = [*everything[:: 1 + len(everything) // 1000], *skipping[:: 1 + len(skipping) // 1000]]
    prints = fingerprints(genes.identity(parameters.genes([*parameters.distributions], members))).tolist()
    same = [costs.same(costs.space.split(member)) for member in members]
    assert len(set(zip(prints, same, strict=True))) == len(set(prints)) == len(set(same)) < len(set(members))


def test_known_networks() -> None:
    first, second, *_ = next(same for same in by_network(IN_FLOAT).values() if len(same) > 1)
    other = next(member for member in MEMBERS if calls(member) != calls(first))
    known = Networks(IN_FLOAT, [Candidate(first)])
    assert Candidate(second) in known and Candidate(other) not in known
    more = known.with_others([Candidate(other)])
    assert Candidate(second) in more and Candidate(other) in more and Candidate(other) not in known
    known.add(Candidate(other))
    assert Candidate(other) in known


@pytest.mark.parametrize("random", [False, True])
def test_a_search_measures_each_network_once(random: bool, tmp_path: Path) -> None:
    """Until none is left. Corner networks have names of their own, and are measured each."""
    tasks = [task for task in SPACE.tasks if task.name != "product"]
    space = SearchSpace(
        tasks,
        [
            Block("first", {"plain": toy_space.plain}),
            Block("middle", {"plain": toy_space.plain, "skip": toy_space.skip}),
            Block("last", {"plain": toy_space.plain}),
        ],
    )
    run = Run(tmp_path / "run")
    train(space, toy_space.data(None), run, replace(toy_space.training, epochs=1), show_progress=False)
    settings = SearchSettings(evaluations=50, startup=4)
    sampler = RandomSampler(seed=0) if random else None
    results = search(space, toy_space.data(None), run, settings, sampler=sampler)
    found = space.dry_run(EXAMPLE)
    costs = JointCosts(JointSpace.in_float(space.architectures), found.costs, idle=found.idle)
    same = [costs.same(row.candidate) for row in results.rows]
    everything = {costs.same(Candidate(member)) for member in space.architectures.architectures()}
    assert set(same) == everything and len(everything) < space.architectures.size
    corners = set(results.corners.values())
    assert sum(row.candidate.architecture not in corners for row in results.rows) + len(
        {costs.same(Candidate(corner)) for corner in corners}
    ) == len(everything)
