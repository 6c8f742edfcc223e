"""Which parts of a space have an ONNX form, told before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from torch import nn

from mtnas.errors import ExportError
from mtnas.onnx_graphs.convert import convert
from mtnas.onnx_graphs.session import open_session
from mtnas.quantizing.structure import aside, entering_values
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input, head_of, input_shape


def without_form(space: SearchSpace, found: DryRun, example: Input) -> Iterator[str]:
    """Sentences on the stem, options and heads that no ONNX file can have, one for each.

    None where the packages for such files are not installed. Those that are the same modules, entered by the same
    shape, are tried once, which takes some hundredths of a second.

    Args:
        found: by a dry run of the space.
        example: a batch of inputs.
    """
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        return
    known: dict[Any, str | None] = {}
    told: set[str] = set()
    with aside():
        for where, module, value in _parts(space, found, example):
            key = (
                repr(module),
                tuple(type(part) for part in module.modules()),
                tuple((name, tuple(x.shape), x.dtype) for name, x in module.state_dict().items()),
                str(input_shape(value)),
            )
            if key not in known:
                known[key] = _reason(module, value)
            reason = known[key]
            if reason is not None and where not in told:
                told.add(where)
                yield f"{where}: {reason}"


def _parts(space: SearchSpace, found: DryRun, example: Input) -> Iterator[tuple[str, nn.Module, Input]]:
    """Name, module and two samples of what enters, of everything that networks are made of."""
    x = head_of(example, 2)
    yield "the stem", space.make_stem(input_shape(x)).eval(), x
    entering = entering_values(space, found, example)
    for block, values in zip(space.blocks, entering[:-1], strict=True):
        for option, make in block.options.items():
            for value in values:
                yield f"block '{block.name}', option '{option}'", make(input_shape(value)).eval(), value
    for task in space.tasks:
        for value in entering[-1]:
            yield f"the head of task '{task.name}'", task.head(input_shape(value)).eval(), value


def _reason(module: nn.Module, x: Input) -> str | None:
    """Why it has no ONNX form, or none that runs; None if it has one."""
    if type(module) is nn.Identity:
        return None
    try:
        content = convert(module, x).content
    except ExportError as error:
        return str(error)
    try:
        open_session(content)
    except Exception as error:  # onnxruntime raises of all kinds
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return f"the module {type(module).__name__} has an ONNX form that onnxruntime does not run: {reason}"
    return None
