"""A chosen network as a folder to ship: the ONNX file, what it is for programs and for people, and its tree."""

from __future__ import annotations

import copy
import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mtnas.architecture import Candidate, QuantizationPolicy
from mtnas.atomic import make_directory, write_atomic, write_text
from mtnas.errors import ExportError
from mtnas.evaluation import task_errors
from mtnas.exporting.agreement import agreement
from mtnas.exporting.card import card
from mtnas.json_values import is_there
from mtnas.onnx_graphs import SessionNetwork, audit, calibrate, convert, open_session, quantize
from mtnas.onnx_graphs.calibrate import feeds_of
from mtnas.plotting import plot_tree, save_figure
from mtnas.quantizing import fake_quantized, gather_ranges, settle_weights
from mtnas.results import Results
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.supernet import BranchedNetwork
from mtnas.targets import MeasureSettings, Target, measure

FILES = ("model.onnx", "model.json", "README.md", "tree.png")


@dataclass(frozen=True)
class Origin:
    """Where an exported network comes from.

    Attributes:
        weights: in words: inherited from the supernetwork, fine-tuned, ...
        seed: of the run.
        costs: by name; its errors are left out, since the file has errors of its own.
        test_errors: by task; empty if it was not tested.
        tested_in_integers: whether they were measured with the roundings of a policy.
    """

    weights: str
    seed: int
    costs: Mapping[str, float] = field(default_factory=dict)
    test_errors: Mapping[str, float] = field(default_factory=dict)
    tested_in_integers: bool = False


@dataclass(frozen=True)
class Bundle:
    """What was written.

    Attributes:
        directory: the folder.
        about: the content of ``model.json``.
    """

    directory: Path
    about: dict[str, Any]


def export(
    directory: Path,
    network: BranchedNetwork,
    candidate: Candidate,
    space: SearchSpace,
    data: Data,
    results: Results,
    origin: Origin,
    *,
    targets: Sequence[Target] = (),
    tolerance: float = 1e-3,
    integer_tolerance: float = 1e-2,
) -> Bundle:
    """Write a network under its policy, and check that the file does what the network does.

    The ranges of integers are those of samples that trained no weights, by which weights of few bits are settled, too
    (`settle_weights`); errors are of the validation samples.

    Args:
        directory: new or empty, or holding a whole export of the same candidate, which is replaced.
        network: the candidate's, with final batch-norm statistics.
        results: names the space and the budgets, and draws the tree.
        targets: where its latency is measured.
        tolerance: most that a float output may differ from torch's, as a share of its task's largest.
        integer_tolerance: most that outputs in integers may differ from their simulation in torch, on average: a single
            value may round to another step on the way.

    Raises:
        ExportError: if the folder holds something else, the network has no ONNX form, the file's outputs differ from
            the network's, or operators run in another precision than the policy says.
    """
    _check_free(directory, candidate)
    example, _ = data.example()
    network = copy.deepcopy(network)
    settle_weights(network, candidate.policy, data.range_batches())
    graph = convert(network, example)
    seen = agreement(SessionNetwork(graph, open_session(graph.content)), network, data.valid_batches())
    if seen.largest > tolerance:
        raise ExportError(
            f"the file's outputs differ from torch's by {seen.largest:.2g} of the largest output, more than"
            f" {tolerance:g}; a module may compute otherwise when it is traced"
        )
    content, integer, simulated = graph.content, frozenset[str](), None
    if candidate.policy.nodes:
        quantized = quantize(graph, candidate, calibrate(graph, (x for x, _ in data.range_batches())))
        content, integer = quantized.content, audit(graph, quantized).integer
        with fake_quantized(network, candidate.policy, gather_ranges(network, data.range_batches())):
            simulated = agreement(SessionNetwork(graph, open_session(content)), network, data.valid_batches())
        if simulated.mean > integer_tolerance:
            raise ExportError(
                f"the integer file's outputs differ from their simulation in torch by {simulated.mean:.2g} of the"
                f" largest output on average, more than {integer_tolerance:g}; a module may round otherwise there"
            )
    errors = task_errors(SessionNetwork(graph, open_session(content)), space.tasks, data.valid_batches())
    costs = {name: value for name, value in origin.costs.items() if not name.startswith("error/")}
    places = {place: name for name, place in network.places.items()}
    about: dict[str, Any] = {
        "format": 1,
        "id": candidate.id,
        "candidate": candidate.to_json(),
        "tasks": list(graph.outputs),
        "inputs": [
            {"name": name, "shape": list(value.shape[1:]), "dtype": str(np.dtype(value.dtype))}
            for name, value in feeds_of(graph, example).items()
        ],
        "preprocessing": data.preprocessing,
        "weights": origin.weights,
        "costs": {**costs, "file_kib": len(content) / 1024},
        "budgets": dict(results.budgets),
        "errors": errors,
        "test_errors": dict(origin.test_errors),
        "tested_in_integers": origin.tested_in_integers,
        "policy": [
            {"node": places[node], "weights": bits[0], "activations": bits[1]}
            for node, bits in candidate.policy.entries
        ],
        "integer_operators": sorted(integer),
        "checked": {
            "samples": seen.samples,
            "largest_difference": seen.largest,
            "mean_difference": seen.mean,
            "of": "the float file against torch, as a share of the largest output",
        },
        "in_float": {"file_kib": len(graph.content) / 1024} if candidate.policy.nodes else None,
        "checked_integer": None if simulated is None else {"mean_difference": simulated.mean, "of": "the simulation"},
        "latency": [_measured(target, network, candidate, example) for target in targets],
        "seed": origin.seed,
        "data": data.fingerprint,
        "versions": {name: version(name) for name in ("mtnas", "torch", "onnx", "onnxruntime")},
        "python": platform.python_version(),
    }
    tree, text = _tree(results, candidate), card(about)
    # All is made by now: what writes four files in a blink is hardly killed between them. The last one tells that the
    # folder is whole.
    make_directory(directory)
    write_atomic(directory / "model.onnx", lambda path: path.write_bytes(content))
    write_atomic(directory / "tree.png", lambda path: path.write_bytes(tree))
    write_text(directory / "README.md", text)
    write_text(directory / "model.json", json.dumps(about, indent=1))
    return Bundle(directory, about)


def _measured(target: Target, network: BranchedNetwork, candidate: Candidate, example: Input) -> dict[str, Any]:
    """Latency under the candidate's policy, beside that in float: integers need not be faster. And where it was."""
    policies = {"network": candidate.policy, **({"in float": QuantizationPolicy()} if candidate.policy.nodes else {})}
    with ExitStack() as opened:
        runs = {
            name: opened.enter_context(closing(target.prepare(network, policy, example)))
            for name, policy in policies.items()
        }
        found = measure(runs, None, MeasureSettings(rounds=100), target.clock())
    beside = {"in_float_ms": found["in float"].ms} if "in float" in found else {}
    return {"target": target.describe(), **found["network"].to_json(), **beside}


def _check_free(directory: Path, candidate: Candidate) -> None:
    """Raise ExportError unless the folder is new, empty, or a whole export of this candidate."""
    if not is_there(directory):
        return
    if not directory.is_dir():
        raise ExportError(f"{directory} is a file, but an export needs a folder; choose another --out")
    known = directory / "model.json"
    # Without it, a README.md or model.onnx is somebody's own.
    ours = FILES if known.exists() else ()
    strangers = sorted(path.name for path in directory.iterdir() if path.name not in ours)
    try:
        other = json.loads(known.read_text(encoding="utf-8")).get("id") if known.exists() else candidate.id
    except (ValueError, AttributeError):
        other = "a damaged export"
    if strangers or other != candidate.id:
        raise ExportError(f"{directory} holds {strangers[0] if strangers else other} already; choose another --out")


def _tree(results: Results, candidate: Candidate) -> bytes:
    """The picture of the tree, a PNG."""
    title = f"{candidate.id}\n{candidate.architecture.tree}"
    axes = plot_tree(results.space, results.cost_table, candidate.architecture, policy=candidate.policy, title=title)
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes that were just made are in one
    with tempfile.TemporaryDirectory() as folder:
        save_figure(figure, Path(folder) / "tree.png")
        return (Path(folder) / "tree.png").read_bytes()
