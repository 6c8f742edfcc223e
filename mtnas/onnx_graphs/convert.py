"""From a torch module to a float ONNX model."""

from __future__ import annotations

import copy
import importlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from mtnas.errors import ExportError
from mtnas.onnx_graphs.functional_norms import norms_apart
from mtnas.onnx_graphs.graph import LINEAR, FloatGraph, NodeKey, input_name, operators_of
from mtnas.onnx_graphs.layers import operators_of_layers
from mtnas.onnx_graphs.packages import onnx
from mtnas.quantizing import Leaf, folded, wire
from mtnas.space.shapes import Input, tensors_of, to_device
from mtnas.supernet import BranchedNetwork

INPUT = "input"
"""Name of the input where there is only one."""

OUTPUT = "output"
"""Name of the output of a part of a network that gives a tensor."""

LARGEST_BYTES = 2**31 - 2**24
"""Of all weights in one file: protobuf's limit, less room for the graph."""

_ROOT = "network"
_BATCH = "batch"
"""Name of the first dimension, whose size is open."""


def convert(network: nn.Module, example: Input, opset: int = 17) -> FloatGraph:
    """The network in evaluation mode as ONNX: named inputs and outputs, any batch size, weights within.

    Args:
        network: ``forward(x) -> {name: output}``, with the batch-norm statistics that it is to keep; they are folded
            into the weights before them. Of a `BranchedNetwork` the graph knows which operators belong to which node.
            A part of a network, such as an option of a block, may give a tensor.
        example: a batch of inputs, for shapes; a dictionary's keys become the names of the inputs, see `input_name`.
        opset: version of the ONNX operators.

    Raises:
        ExportError: naming the module and the operator that ONNX does not have; for weights that a file cannot hold.
    """
    onnx()
    check_size(network)
    wrapped = _Flat(network, example)
    keys = tuple(example) if isinstance(example, Mapping) else (INPUT,)
    names = tuple(input_name(key, wrapped.outputs) for key in keys)
    values = tuple(tensor[:2].contiguous() for tensor in tensors_of(example))
    model = _exported(wrapped, values, names, wrapped.outputs, opset)
    _inline_identities(model)
    _give_names(model, network)
    _give_shapes(model, wrapped.shapes)
    model = with_shapes(model)
    found = operators_of_layers(model, wrapped.network, wrapped.leaves)
    layers, lost = frozenset(chain.from_iterable(found.values())), _lost(wrapped.leaves, found)
    apart = _apart(model, wrapped.leaves, found)
    return FloatGraph(model, names, wrapped.outputs, _operators(model, network), layers, apart, lost)


def with_shapes(model: Any) -> Any:
    """The model with the shapes of the tensors between its operators, which viewers show."""
    inference = importlib.import_module("onnx.shape_inference")
    del model.graph.value_info[:]
    return inference.infer_shapes(model)


def check_size(network: nn.Module) -> None:
    """Raise ExportError for a network whose weights one file cannot hold."""
    held = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if held > LARGEST_BYTES:
        raise ExportError(
            f"the weights take {held / 2**30:.2f} GiB, but an ONNX file holds at most {LARGEST_BYTES / 2**30:g} GiB;"
            " choose a smaller candidate, or mtnas extract this one for torch"
        )


class _Flat(nn.Module):
    """Tensors in, tensors out; gradients are not scaled, which would leave marks in the graph."""

    def __init__(self, network: nn.Module, example: Input) -> None:
        super().__init__()
        example = to_device(example, torch.device("cpu"))
        # The exporter folds the batch norms of convolutions by itself, but not those of linear layers.
        evaluated = copy.deepcopy(network).eval().cpu()
        self.leaves = wire(evaluated, example)
        self.network = folded(evaluated, self.leaves)
        _spell_out_paddings(self.network)
        if isinstance(self.network, BranchedNetwork):
            self.network.average_gradients = False
        self.keys = tuple(example) if isinstance(example, Mapping) else None
        with torch.no_grad():
            found = _named(self.network(example))
            self.shapes = {name: tuple(output.shape) for name, output in found.items()}
        self.outputs = tuple(self.shapes)

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        x = values[0] if self.keys is None else dict(zip(self.keys, values, strict=True))
        with norms_apart(self.network):
            found = _named(self.network(x))
        return tuple(found[name] for name in self.outputs)


def _named(found: Input) -> Mapping[str, Tensor]:
    """What a network, or a part of one, gives, by name."""
    return found if isinstance(found, Mapping) else {OUTPUT: found}


def _spell_out_paddings(network: nn.Module) -> None:
    """Paddings by number in place of those by word, of which onnxruntime does not know all that torch does."""
    for part in network.modules():
        if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and isinstance(part.padding, str):
            ends = part._reversed_padding_repeated_twice
            if ends[::2] == ends[1::2]:
                part.padding = tuple(reversed(ends[::2]))
            elif part.padding_mode == "zeros":  # more at one end than at the other: an operator of its own
                part.padding_mode, part.padding = "constant", "valid"  # type: ignore[assignment]


def _exported(
    module: nn.Module, values: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str], opset: int
) -> Any:
    try:
        content = _traced(module, values, inputs, outputs, opset)
    except Exception as error:  # torch's exporter raises of all kinds for what it does not know
        reason = (str(error) or type(error).__name__).splitlines()[0].partition("  [Caused by")[0]
        raise ExportError(f"{_culprit(module, values, opset)}: {reason}") from error
    return onnx().load_from_string(content)


def _traced(
    module: nn.Module, values: tuple[Any, ...], inputs: Sequence[str], outputs: Sequence[str], opset: int
) -> bytes:
    """A file of any batch size; without ``outputs`` they have names of torch's."""
    buffer = io.BytesIO()
    with _quietly(), torch.no_grad():
        # The exporter by tracing takes a tenth of the time of the one by torch.export, folds batch norm, and tells
        # by an operator's name which module it comes from.
        torch.onnx.export(
            module,
            values,
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: _BATCH} for name in (*inputs, *outputs)},
            opset_version=opset,
        )
    return buffer.getvalue()


def _culprit(module: nn.Module, values: tuple[Tensor, ...], opset: int) -> str:
    """The innermost module that does not export by itself, by name."""
    calls: dict[str, tuple[nn.Module, tuple[Any, ...]]] = {}
    hooks = [
        part.register_forward_pre_hook(lambda part, args, name=name: calls.setdefault(name, (part, args)) and None)
        for name, part in module.named_modules()
    ]
    with torch.no_grad():
        module(*values)
    for hook in hooks:
        hook.remove()
    for name, (part, args) in sorted(calls.items(), key=lambda item: -len(item[0])):
        if name and all(isinstance(value, Tensor) for value in args):
            try:
                _traced(part, args, [f"x{number}" for number in range(len(args))], (), opset)
            except Exception:
                kind = type(part).__name__
                shown = kind if name == _ROOT else f"{name.removeprefix(_ROOT + '.')} ({kind})"
                return f"the module {shown} has no ONNX form"
    return "the network has no ONNX form"


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the notes of tracing: shapes that become constants are those of the candidate.

    And without torch's fused transformer layers, which have no ONNX form, and the graph that torch prints on standard
    output, where JSON may be due, when an operator has none.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), patch.object(torch._C, "_jit_onnx_log", lambda *told: None, create=True):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _inline_identities(model: Any) -> None:
    """Give every operator its own constants: the exporter lets equal ones share one by `Identity` operators.

    Quantization needs a bias that is a constant, and leaves the operator in float where it is not.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    same: dict[str, str] = {}
    for operator in list(graph.node):
        if operator.op_type == "Identity" and same.get(operator.input[0], operator.input[0]) in constants:
            same[operator.output[0]] = same.get(operator.input[0], operator.input[0])
            graph.node.remove(operator)
    for operator in operators_of(graph):
        for place, name in enumerate(operator.input):
            operator.input[place] = same.get(name, name)
    used: set[str] = set()
    by_name = {tensor.name: tensor for tensor in graph.initializer}
    for operator in graph.node:
        for place, name in enumerate(operator.input):
            if name in by_name and name in used:
                own = f"{operator.name}.{place}"
                graph.initializer.append(by_name[name])
                graph.initializer[-1].name = own
                operator.input[place] = own
            used.add(name)


def _give_names(model: Any, network: nn.Module) -> None:
    """Names by node of the tree: ``edges/left+right/0/Conv`` and ``.../Conv.weight``, not what a counter gave."""
    graph = model.graph
    parts: list[str] = []
    if isinstance(network, BranchedNetwork):
        parts = sorted([*network.nodes, *network.heads, "stem"], key=len, reverse=True)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    keep = {value.name for value in (*graph.input, *graph.output)}
    taken: set[str] = set()
    values: dict[str, str] = {}
    for operator in graph.node:
        operator.name = _unique(_readable(operator.name, parts), taken)
        labels = {1: "weight", 2: "bias"} if operator.op_type in LINEAR else {}
        for place, name in enumerate(operator.input):
            if name in constants:
                constants[name].name = values[name] = f"{operator.name}.{labels.get(place, place)}"
        for place, name in enumerate(operator.output):
            if name not in keep:
                values[name] = operator.name if place == 0 else f"{operator.name}:{place}"
    for operator in operators_of(graph):  # the body of a loop reads what lies around it
        for names in (operator.input, operator.output):
            for place, name in enumerate(names):
                names[place] = values.get(name, name)
    del graph.value_info[:]


def _give_shapes(model: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    """Outputs of any batch size with all else as it is: the exporter gives sizes that it does not know a common name.

    Args:
        shapes: of the outputs for some batch.
    """
    for value in model.graph.output:
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        dims.add(dim_param=_BATCH)
        for size in shapes[value.name][1:]:
            dims.add(dim_value=size)


def _readable(name: str, parts: Sequence[str]) -> str:
    """``/network/edges/a+b/edges/a+b.0/Conv`` -> ``edges/a+b/0/Conv``: children of sequences repeat all of its name.

    Args:
        parts: names of the network's nodes and heads, long ones first; they may hold slashes.
    """
    name = name.removeprefix("/").removeprefix(f"{_ROOT}/")
    part = next((part for part in parts if name.startswith(f"{part}/")), "")
    rest = f"/{name.removeprefix(f'{part}/')}".replace(f"/{part}.", "/").removeprefix("/").split("/")
    steps = [step for step, after in zip(rest, [*rest[1:], ""], strict=True) if not after.startswith(f"{step}.")]
    return "/".join([part, *steps] if part else steps)


def _unique(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number, found = number + 1, f"{name}_{number}"
    taken.add(found)
    return found


def _lost(leaves: Sequence[Leaf], found: Mapping[str, Sequence[str]]) -> dict[NodeKey, str]:
    """A layer of each node that has one without an operator for each of the tensors that it reads."""
    calls: dict[str, set[Any]] = {}
    for leaf in leaves:
        calls.setdefault(leaf.call.module, set()).add((leaf.reads, leaf.norm))
    lost = {name for name, different in calls.items() if len(found.get(name, ())) < len(different)}
    return {leaf.node: leaf.call.module for leaf in leaves if leaf.node is not None and leaf.call.module in lost}


def _apart(model: Any, leaves: Sequence[Leaf], found: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Names of the tensors that are rounded where layers read them, not where they are made."""
    reads = {operator.name: operator.input[0] for operator in model.graph.node if operator.op_type in LINEAR}
    calls = [leaf.call for leaf in leaves if all(place.side == "input" for place in leaf.reads)]
    return frozenset(
        reads[found[call.module][call.number]] for call in calls if len(found.get(call.module, ())) == call.of
    )


def _operators(model: Any, network: nn.Module) -> dict[NodeKey, tuple[str, ...]]:
    """Operators by node of the tree: their names begin with the node's."""
    if not isinstance(network, BranchedNetwork):
        return {}
    return {
        place: tuple(operator.name for operator in model.graph.node if operator.name.startswith(f"{name}/"))
        for name, place in network.places.items()
    }
