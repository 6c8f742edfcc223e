"""Training of the supernetwork and its branch points."""

from mtnas.training.settings import TrainingSettings
from mtnas.training.trainer import claim_run, cpu_threads, load_supernetwork, resolve_device, train

__all__ = ["TrainingSettings", "claim_run", "cpu_threads", "load_supernetwork", "resolve_device", "train"]
