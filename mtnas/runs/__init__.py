"""Run directories: manifest, lock, checkpoints, files that are never half-written."""

from mtnas.atomic import write_atomic, write_text
from mtnas.runs.checkpoint import load_checkpoint, save_checkpoint
from mtnas.runs.manifest import Manifest
from mtnas.runs.run import Run

__all__ = ["Manifest", "Run", "load_checkpoint", "save_checkpoint", "write_atomic", "write_text"]
