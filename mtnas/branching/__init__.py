"""Where tasks should part: affinities that a training tells, and Gumbel-softmax branch points that learn from them."""

from mtnas.branching.advice import Advice, Choice, advise
from mtnas.branching.branch_points import BranchPoints
from mtnas.branching.branching import Branching
from mtnas.branching.expected_nodes import expected_nodes
from mtnas.branching.fit import FitSettings, fit_branch_points
from mtnas.branching.leading_trees import RankedTree, cheapest_tied, leading_trees
from mtnas.branching.measure import measure_affinities
from mtnas.branching.node_costs import NodeCosts

__all__ = [
    "Advice",
    "Choice",
    "BranchPoints",
    "Branching",
    "FitSettings",
    "NodeCosts",
    "RankedTree",
    "advise",
    "cheapest_tied",
    "expected_nodes",
    "fit_branch_points",
    "leading_trees",
    "measure_affinities",
]
