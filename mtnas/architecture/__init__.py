"""Values only: trees, architectures, policies, candidates and what can be said of them without torch."""

from mtnas.architecture.architecture import Architecture, Step, TaskPath
from mtnas.architecture.candidate import Candidate
from mtnas.architecture.costs import EXACT_COSTS, CostTable, split_tree
from mtnas.architecture.features import feature_names, features
from mtnas.architecture.genome import Genome, crossover, decode, encode, mutate
from mtnas.architecture.graph import to_graph
from mtnas.architecture.policy import FLOAT_BITS, QuantizationPolicy
from mtnas.architecture.space import ArchitectureSpace, BlockChoices
from mtnas.architecture.tree import Group, Tree

__all__ = [
    "EXACT_COSTS",
    "FLOAT_BITS",
    "Architecture",
    "ArchitectureSpace",
    "BlockChoices",
    "Candidate",
    "CostTable",
    "Genome",
    "Group",
    "TaskPath",
    "QuantizationPolicy",
    "Step",
    "Tree",
    "crossover",
    "decode",
    "encode",
    "feature_names",
    "features",
    "mutate",
    "split_tree",
    "to_graph",
]
