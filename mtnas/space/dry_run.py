"""Run every operator of a space once on a real sample, before anything is trained."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mtnas.architecture import CostTable
from mtnas.errors import SpaceError
from mtnas.space.counting import count_macs, count_params
from mtnas.space.shapes import Input, InputShape, Shape, head_of, input_shape

if TYPE_CHECKING:
    from mtnas.space.search_space import SearchSpace


@dataclass(frozen=True)
class DryRun:
    """What a dry run found.

    Attributes:
        input: shape of a sample's input.
        shapes: shapes entering block 0..L-1, then the one entering the heads: L + 1 of them.
        outputs: shape of every task's output.
        costs: exact costs of the stem, every option and every head, at batch size 1.
    """

    input: InputShape
    shapes: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    costs: CostTable


def dry_run(space: SearchSpace, x: Input, batch_size: int = 2) -> DryRun:
    """Check that the stem, every option of every block, and every head fit together; count their costs.

    Args:
        x: a batch of at least one sample.
        batch_size: samples per training step: batch norm cannot train on single ones.

    Raises:
        SpaceError: naming the block, the option and both shapes.
    """
    with torch.random.fork_rng(devices=[]):
        one, samples = head_of(x, 1), min(batch_size, 2)
        stem = space.make_stem(input_shape(one))
        value, stem_costs = _try("the stem", stem, one, input_shape(one), samples)
        shapes, table = [tuple(value.shape[1:])], []
        for block in space.blocks:
            results = {}
            for option in block.options:
                where = f"block '{block.name}', option '{option}'"
                module = _make(where, partial(block.options[option], shapes[-1]), shapes[-1])
                results[option] = _try(where, module, value, shapes[-1], samples)
            first = next(iter(results))
            expected = tuple(results[first][0].shape[1:])
            for option, (output, _) in results.items():
                if tuple(output.shape[1:]) != expected:
                    raise SpaceError(
                        f"block '{block.name}', option '{option}' turns {shapes[-1]} into {tuple(output.shape[1:])},"
                        f" but option '{first}' gives {expected}; all options of a block must give the same shape"
                    )
            value = results[first][0]
            shapes.append(expected)
            table.append(tuple(costs for _, costs in results.values()))
        outputs, heads = [], []
        for task in space.tasks:
            where = f"the head of task '{task.name}'"
            head = _make(where, partial(task.head, shapes[-1]), shapes[-1])
            output, costs = _try(where, head, value, shapes[-1], samples)
            outputs.append(tuple(output.shape[1:]))
            heads.append(costs)
    return DryRun(input_shape(one), tuple(shapes), tuple(outputs), CostTable(stem_costs, tuple(table), tuple(heads)))


def _make(where: str, factory: Callable[[], nn.Module], shape: InputShape) -> nn.Module:
    try:
        module = factory()
    except Exception as error:
        raise SpaceError(f"{where} cannot be made for an input of shape {shape}: {_reason(error)}") from error
    if not isinstance(module, nn.Module):
        raise SpaceError(f"{where} must make a torch.nn.Module, but made a {type(module).__name__}")
    return module


def _try(
    where: str, module: nn.Module, x: Input, shape: InputShape, training_samples: int
) -> tuple[Tensor, tuple[int, int]]:
    """Output for one sample and costs; checks the module in evaluation and in training mode."""
    try:
        _run_untouched(where, module.train(), _repeated(x, training_samples))
        output = _run_untouched(where, module.eval(), x)
        if not isinstance(output, Tensor):
            raise SpaceError(f"{where} must return a tensor, but returned a {type(output).__name__}")
        return output, (count_params(module), count_macs(module, x))
    except SpaceError:
        raise
    except Exception as error:
        alone = (
            f" in training with batch_size = {training_samples}" if module.training and training_samples == 1 else ""
        )
        raise SpaceError(f"{where} does not fit its input of shape {shape}{alone}: {_reason(error)}") from error


def _run_untouched(where: str, module: nn.Module, x: Input) -> object:
    before = [tensor._version for tensor in _tensors(x)]
    with torch.no_grad():
        output: object = module(x)
    if [tensor._version for tensor in _tensors(x)] != before:
        raise SpaceError(f"{where} changes its input in place, which other branches read too; use inplace=False")
    return output


def _repeated(x: Input, samples: int) -> Input:
    """A batch of one sample, repeated."""
    if isinstance(x, Mapping):
        return {name: value.repeat(samples, *[1] * (value.dim() - 1)) for name, value in x.items()}
    return x.repeat(samples, *[1] * (x.dim() - 1))


def _tensors(x: Input) -> list[Tensor]:
    return list(x.values()) if isinstance(x, Mapping) else [x]


def _reason(error: Exception) -> str:
    return traceback.format_exception_only(error)[-1].strip()
