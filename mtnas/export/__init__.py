"""Chosen networks as files."""

from mtnas.export.weights import load_network, save_network

__all__ = ["load_network", "save_network"]
