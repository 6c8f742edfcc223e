"""Where a training runs, and whether this machine can run it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.util import find_spec

import torch

from mtnas.errors import TrainingError
from mtnas.training.settings import TrainingSettings


def resolve_device(name: str) -> torch.device:
    """A torch device; ``auto`` is CUDA if there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise TrainingError(f"there is no device '{name}'; use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"device '{name}' was asked for, but this machine has no CUDA; use auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise TrainingError(
            f"device '{name}' was asked for, but this machine has {torch.cuda.device_count()} CUDA devices, counted"
            " from 0; use a lower number"
        )
    return device


def check_machine(settings: TrainingSettings) -> torch.device:
    """The device to train on, if the machine has all that the settings ask for.

    Raises:
        TrainingError: naming what is absent and what to do.
    """
    device = resolve_device(settings.device)
    if settings.precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise TrainingError(f"device '{device}' has no bfloat16; use precision='float32'")
    if settings.compile:
        _check_compiler(device)
    if settings.tensorboard and find_spec("tensorboard") is None:
        raise TrainingError(
            "tensorboard=True needs the package tensorboard, which is not installed;"
            " pip install 'mtnas[tensorboard]', or leave it out"
        )
    return device


def _check_compiler(device: torch.device) -> None:
    if device.type == "cuda":
        if find_spec("triton") is None:
            raise TrainingError("compile=True on CUDA needs the package triton, which is not installed; leave it out")
        return
    # The choice of torch.compile itself.
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    command = os.environ.get("CXX") or usual
    if shutil.which(shlex.split(command)[0]) is None:
        raise TrainingError(
            f"compile=True needs a C++ compiler, but there is no '{command}'; install one, name it in the environment"
            " variable CXX, or leave compile out"
        )
