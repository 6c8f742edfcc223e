"""Values only: trees, architectures, policies, candidates and what can be said of them without torch."""

from mtnas.architecture.affinities import Affinities
from mtnas.architecture.architecture import Architecture, Step, TaskPath
from mtnas.architecture.candidate import Candidate
from mtnas.architecture.costs import EXACT_COSTS, SIZE, CostTable, split_tree
from mtnas.architecture.dot import to_dot
from mtnas.architecture.features import feature_names, features
from mtnas.architecture.genome import Genome, crossover, decode, encode, mutate
from mtnas.architecture.graph import to_graph
from mtnas.architecture.joint import JointSpace
from mtnas.architecture.limits import copies, copies_of, limited
from mtnas.architecture.policy import FLOAT, FLOAT_BITS, INT8, W4A8, W7A8, Bits, QuantizationPolicy, notation
from mtnas.architecture.space import ArchitectureSpace, BlockChoices
from mtnas.architecture.tree import Group, Tree

__all__ = [
    "EXACT_COSTS",
    "FLOAT",
    "FLOAT_BITS",
    "INT8",
    "SIZE",
    "Affinities",
    "Architecture",
    "ArchitectureSpace",
    "Bits",
    "BlockChoices",
    "Candidate",
    "CostTable",
    "Genome",
    "Group",
    "JointSpace",
    "TaskPath",
    "QuantizationPolicy",
    "Step",
    "Tree",
    "W4A8",
    "W7A8",
    "copies",
    "copies_of",
    "crossover",
    "decode",
    "encode",
    "feature_names",
    "features",
    "limited",
    "mutate",
    "notation",
    "split_tree",
    "to_dot",
    "to_graph",
]
