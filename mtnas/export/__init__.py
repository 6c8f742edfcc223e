"""Chosen networks as files."""

from mtnas.export.bundle import Bundle, Origin, export
from mtnas.export.weights import load_network, save_network

__all__ = ["Bundle", "Origin", "export", "load_network", "save_network"]
