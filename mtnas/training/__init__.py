"""Training of the supernetwork and its branch points."""

from mtnas.training.settings import TrainingSettings
from mtnas.training.trainer import cpu_threads, load_supernetwork, resolve_device, train

__all__ = ["TrainingSettings", "cpu_threads", "load_supernetwork", "resolve_device", "train"]
