"""The supernetwork, its branch points, and single candidates cut out of it."""

from mtnas.supernet.branch_points import BranchPoints, BranchSample
from mtnas.supernet.branched import BranchedNetwork
from mtnas.supernet.expected_nodes import expected_nodes
from mtnas.supernet.portable import PortableSupernet
from mtnas.supernet.supernet import SuperNetwork

__all__ = ["BranchPoints", "BranchSample", "BranchedNetwork", "PortableSupernet", "SuperNetwork", "expected_nodes"]
