"""Chosen networks as files."""

from mtnas.exporting.bundle import Bundle, Origin, export
from mtnas.exporting.weights import load_network, save_network

__all__ = ["Bundle", "Origin", "export", "load_network", "save_network"]
