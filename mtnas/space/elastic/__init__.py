"""Operators of several sizes that share weights: the smaller ones are slices of the largest."""

from mtnas.space.elastic.contract import check_elastic
from mtnas.space.elastic.options import Setting, elastic
from mtnas.space.elastic.sliced import Sliced, device_of
from mtnas.space.elastic.slicing import Slicing, leading

__all__ = ["Setting", "Sliced", "Slicing", "check_elastic", "device_of", "elastic", "leading"]
