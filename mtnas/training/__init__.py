"""Training of the supernetwork and its branch points."""

from mtnas.space.threads import cpu_threads
from mtnas.training.devices import check_machine, resolve_device
from mtnas.training.settings import TrainingSettings
from mtnas.training.stored import load_branching
from mtnas.training.supernet_training import claim_run, load_supernetwork, train

__all__ = [
    "TrainingSettings",
    "check_machine",
    "claim_run",
    "cpu_threads",
    "load_branching",
    "load_supernetwork",
    "resolve_device",
    "train",
]
