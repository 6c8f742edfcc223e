"""Run directories: manifest, lock, checkpoints, results so far, files that are never half-written."""

from mtnas.atomic import write_atomic, write_text
from mtnas.runs.checkpoint import load_checkpoint, save_checkpoint
from mtnas.runs.fork import fork_run
from mtnas.runs.manifest import Manifest
from mtnas.runs.measured import read_results, read_rows
from mtnas.runs.predictors import read_predictors
from mtnas.runs.run import Run

__all__ = [
    "Manifest",
    "Run",
    "fork_run",
    "load_checkpoint",
    "read_predictors",
    "read_results",
    "read_rows",
    "save_checkpoint",
    "write_atomic",
    "write_text",
]
