"""Checkpoints that safetensors can read in part, some of them with a digest that fits again."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from benchmarks.fuzzing import json_damage
from benchmarks.fuzzing.raw_damage import Damage
from mtnas.runs import load_checkpoint, save_checkpoint

ENTRY = "mtnas"
"""Name of the note in the file's metadata."""


def _parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and numbers of a safetensors file."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _write(path: Path, header: Any, numbers: bytes, size: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(text) if size is None else size) + text + numbers)


def _length(path: Path, rng: random.Random) -> None:
    """The header is said to be longer or shorter than it is."""
    header, numbers = _parts(path)
    true = len(json.dumps(header))
    lies = [0, 1, 2, true - 1, true + 1, true + 8, 10**6, 10**8, 2**31, 2**63, 2**64 - 1, rng.randrange(true)]
    _write(path, header, numbers, rng.choice(lies))


def _offsets(path: Path, rng: random.Random) -> None:
    """A tensor lies elsewhere, upside down, beyond the end, or where another one is."""
    header, numbers = _parts(path)
    names = [name for name in header if name != "__metadata__"]
    offsets = header[rng.choice(names)]["data_offsets"]
    others = [-1, 0, 2**40, 2**64, 2**65, 1.5, None, *offsets, header[rng.choice(names)]["data_offsets"][0]]
    offsets[rng.randrange(2)] = rng.choice(others)
    if rng.random() < 0.2:
        offsets.reverse()
    _write(path, header, numbers)


def _tensor(path: Path, rng: random.Random) -> None:
    """A tensor has another type or shape."""
    header, numbers = _parts(path)
    about = header[rng.choice([name for name in header if name != "__metadata__"])]
    if rng.random() < 0.5:
        kinds = ["F64", "F32", "F16", "BF16", "I32", "U32", "F8_E4M3", "F8_E5M2", "F4", "C64", "BOOL", "X", 5, None]
        about["dtype"] = rng.choice(kinds)
    else:
        shapes = [[], [0], [-1], [2**62, 4], [1, *about["shape"]], about["shape"][::-1], [1.5], None, "x", [1] * 100]
        about["shape"] = rng.choice(shapes)
    _write(path, header, numbers)


def _name(path: Path, rng: random.Random) -> None:
    """A tensor has another name, is there twice, or is not there."""
    header, numbers = _parts(path)
    name = rng.choice([name for name in header if name != "__metadata__"])
    kind = rng.randrange(3)
    if kind == 0:
        header[rng.choice(json_damage.TEXTS)] = header.pop(name)
    elif kind == 1:
        header[rng.choice(json_damage.TEXTS)] = header[name]
    else:
        del header[name]
    _write(path, header, numbers)


def _metadata(path: Path, rng: random.Random) -> None:
    """What the digest and the note are kept in holds something else."""
    header, numbers = _parts(path)
    kind = rng.randrange(4)
    if kind == 0:
        header["__metadata__"] = rng.choice(
            [None, {}, [], {ENTRY: 5}, {ENTRY: "5"}, {ENTRY: "[" * 100_000}, {"x": "y"}]
        )
    elif kind == 1:
        json_damage.other_type(header, rng)
    else:
        known = json.loads(header["__metadata__"][ENTRY])
        damage = rng.choice([json_damage.other_type, json_damage.other_text, json_damage.other_name, json_damage.deep])
        value = damage(known, rng)
        header["__metadata__"][ENTRY] = value if isinstance(value, str) else json.dumps(value)
    _write(path, header, numbers)


def _again(change: Callable[[dict[str, Tensor], dict[str, Any], random.Random], None]) -> Damage:
    """Other tensors or another note, with a digest of these: beyond what a digest tells."""

    def damage(path: Path, rng: random.Random) -> None:
        tensors, note = load_checkpoint(path)
        change(tensors, note, rng)
        save_checkpoint(path, tensors, note)

    return damage


def _other_tensors(tensors: dict[str, Tensor], note: dict[str, Any], rng: random.Random) -> None:
    name = rng.choice(list(tensors))
    tensor, kind = tensors[name], rng.randrange(5)
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        tensors[rng.choice([name + ".x", "model.x", "x", "", "optimizer.weights.0"])] = tensor
    elif kind == 2:
        tensors[name] = tensor.reshape(1, *tensor.shape)
    elif kind == 3:
        tensors[name] = torch.zeros(3)
    else:
        tensors[rng.choice(list(tensors))] = tensor


def _other_note(tensors: dict[str, Tensor], note: dict[str, Any], rng: random.Random) -> None:
    kinds = [json_damage.other_type, json_damage.other_number, json_damage.other_text, json_damage.other_name]
    rng.choice(kinds)(note, rng)


def _odd_note(path: Path, rng: random.Random) -> None:
    """A note that is no object, or not even JSON, with the digest that fits."""
    header, numbers = _parts(path)
    text = rng.choice(
        ["5", "[]", "null", '"x"', "", "{", "[" * 100_000, '{"a": ' * 300 + "1" + "}" * 300, "9" * 10_000]
    )
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    header["__metadata__"][ENTRY] = json.dumps({"sha256": digest.hexdigest(), "note": text})
    _write(path, header, numbers)


CHECKPOINT: dict[str, Damage] = {
    "header length": _length,
    "offsets": _offsets,
    "type or shape": _tensor,
    "names": _name,
    "metadata": _metadata,
    "tensors, digest too": _again(_other_tensors),
    "note, digest too": _again(_other_note),
    "odd note, digest too": _odd_note,
}
