"""The supernetwork, and single candidates cut out of it."""

from mtnas.supernet.branched import BranchedNetwork
from mtnas.supernet.portable import PortableSupernet
from mtnas.supernet.supernet import SuperNetwork

__all__ = ["BranchedNetwork", "PortableSupernet", "SuperNetwork"]
