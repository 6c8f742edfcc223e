"""A chosen network as files: its weights and what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import RunError, brief
from mtnas.json_values import read_json
from mtnas.runs import load_checkpoint, save_checkpoint, write_text
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.supernet import BranchedNetwork, SuperNetwork


def save_network(directory: Path, network: BranchedNetwork, candidate: Candidate, about: Mapping[str, Any]) -> None:
    """Write ``network.safetensors`` and ``network.json`` (the candidate, and what is told of it).

    Raises:
        RunError: if the directory holds another network; nothing is overwritten.
    """
    note = {"candidate": candidate.to_json(), "id": candidate.id, **about}
    known = directory / "network.json"
    if known.exists() and _id_in(known) != candidate.id:
        raise RunError(f"{directory} holds another network already (or a damaged one); choose another --out")
    save_checkpoint(directory / "network.safetensors", network.state_dict(), note)
    write_text(known, json.dumps(note, indent=1))


def load_network(directory: Path, space: SearchSpace, example: Input) -> tuple[BranchedNetwork, dict[str, Any]]:
    """The network that `save_network` wrote, in evaluation mode, and what was told of it.

    Args:
        directory: that was written.
        space: the search space that it came from.
        example: a batch of inputs, for shapes.

    Raises:
        RunError: if the file is damaged, or of another space.
    """
    tensors, note = load_checkpoint(directory / "network.safetensors")
    try:
        candidate = Candidate.from_json(note["candidate"])
        space = space.unlimited()  # plain networks that a candidate was compared with may have more groups
        space.architectures.check(candidate.architecture)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{directory} holds a network of another search space, or none ({brief(error)}); name the one it came from"
        ) from error
    network = SuperNetwork(space, example).extract(candidate.architecture)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise RunError(
            f"{directory} holds a network of another search space ({reason}); name the one it came from"
        ) from error
    network.eval()
    return network, note


def _id_in(path: Path) -> str | None:
    try:
        value = read_json(path)
    except (ValueError, OSError):
        return None
    return value.get("id") if isinstance(value, dict) else None
