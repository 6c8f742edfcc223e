"""Checkpoints: tensors and a JSON note in one safetensors file, with a digest against damage.

torch is imported on first use, so that looking at a run does not wait for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtnas.atomic import write_atomic
from mtnas.errors import RunError, brief
from mtnas.json_values import parse_json

if TYPE_CHECKING:
    from torch import Tensor

ENTRY = "mtnas"
"""Entry of a checkpoint's header that has its note."""


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and a note atomically: a checkpoint that was there stays until the new one is whole."""
    from safetensors.torch import save_file

    # Copies, since parameters that share memory (tied weights) may not stand in one file.
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(note)
    # One entry, since safetensors writes several in an order of its own: equal checkpoints are equal files.
    metadata = {ENTRY: json.dumps({"sha256": _digest(held, text), "note": text})}
    write_atomic(path, lambda temporary: save_file(held, str(temporary), metadata=metadata))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and note of a checkpoint. No code is executed: safetensors holds numbers only.

    Raises:
        RunError: if the file is absent, truncated or altered.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise RunError(f"there is no checkpoint {path}; train first")
    try:
        if not path.is_file():
            raise OSError("it is not a file")
        with safe_open(str(path), framework="pt") as file:
            metadata = parse_json((file.metadata() or {})[ENTRY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        text = metadata["note"]
        note = parse_json(text)
        if not isinstance(note, dict):
            raise TypeError("its note is no object")
        intact = metadata["sha256"] == _digest(tensors, text)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise RunError(
            f"the checkpoint {path} is damaged ({brief(error)}); delete it to train again from the start"
        ) from error
    if not intact:
        raise RunError(
            f"the checkpoint {path} is damaged (its digest differs); delete it to train again from the start"
        )
    return tensors, note


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    import torch

    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()
