"""Run every operator of a space once on a real sample, before anything is trained."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mtnas.architecture import CostTable
from mtnas.errors import SpaceError
from mtnas.space.block import Block
from mtnas.space.counting import count_macs, count_params
from mtnas.space.elastic.contract import check_pair
from mtnas.space.elastic.options import Family
from mtnas.space.elastic.slicing import check_slices
from mtnas.space.shapes import Input, InputShape, Shape, head_of, input_shape
from mtnas.space.task import Task
from mtnas.space.threads import cpu_threads

if TYPE_CHECKING:
    from mtnas.space.search_space import SearchSpace


@dataclass(frozen=True)
class DryRun:
    """What a dry run found.

    Attributes:
        input: shape of a sample's input.
        shapes: the shapes that can enter block 0..L-1, then those that can enter the heads: L + 1 tuples, of one shape
            each unless widths are searched.
        largest: for every block and option, the (option, entering shape) whose module holds the weights of all that
            share them; numbers.
        largest_head: number of the entering shape whose head holds the weights of all, by task.
        outputs: shape of every task's output.
        costs: exact costs of the stem, every option and every head, at batch size 1.
    """

    input: InputShape
    shapes: tuple[tuple[Shape, ...], ...]
    largest: tuple[tuple[tuple[int, int], ...], ...]
    largest_head: tuple[int, ...]
    outputs: tuple[Shape, ...]
    costs: CostTable


def dry_run(space: SearchSpace, x: Input, batch_size: int = 2, *, sharing: bool = True) -> DryRun:
    """Check that the stem, every option of every block, and every head fit together; count their costs.

    Args:
        x: a batch of at least one sample.
        batch_size: samples per training step: batch norm cannot train on single ones.
        sharing: whether it is seen, too, that options can share the weights of the largest of their family, which takes
            most of the time and is of no matter to who only wants the costs.

    Raises:
        SpaceError: naming the block, the option and both shapes.
    """
    # Single samples are so little work that a second thread only waits, for long where others want the cores.
    with torch.random.fork_rng(devices=[]), cpu_threads(1):
        one, samples = head_of(x, 1), min(batch_size, 2)
        stem = space.make_stem(input_shape(one))
        entering, stem_costs = _try("the stem", stem, one, input_shape(one), samples)
        values = [entering]
        shapes, tried = [_shapes(values)], []
        for block in space.blocks:
            found = _try_block(block, values, samples, sharing)
            tried.append(found)
            values = found.leaving
            shapes.append(_shapes(values))
        heads = [_try_head(task, values, samples) for task in space.tasks]
    table = CostTable(
        stem_costs,
        tuple(block.costs for block in tried),
        tuple(block.leads_to for block in tried),
        tuple(zip(*(head.costs for head in heads), strict=True)),
    )
    largest = tuple(block.largest for block in tried)
    outputs = tuple(head.output for head in heads)
    return DryRun(input_shape(one), tuple(shapes), largest, tuple(head.largest for head in heads), outputs, table)


@dataclass(frozen=True)
class _Block:
    costs: tuple[tuple[tuple[int, int], ...], ...]  # [entering shape][option]
    leads_to: tuple[tuple[int, ...], ...]
    largest: tuple[tuple[int, int], ...]
    leaving: list[Tensor]


@dataclass(frozen=True)
class _Head:
    costs: tuple[tuple[int, int], ...]  # [entering shape]
    largest: int
    output: Shape


def _try_block(block: Block, values: list[Tensor], samples: int, check_sharing: bool) -> _Block:
    modules: dict[tuple[int, int], nn.Module] = {}
    leaving: dict[Shape, Tensor] = {}
    costs, leads_to = [], []
    for number, value in enumerate(values):
        shape, results = tuple(value.shape[1:]), {}
        for index, option in enumerate(block.options):
            where = f"block '{block.name}', option '{option}'"
            module = _make(where, partial(block.options[option], shape), shape)
            modules[index, number] = module
            results[option] = _try(where, module, value, shape, samples)
        given = {option: tuple(output.shape[1:]) for option, (output, _) in results.items()}
        _check_leaving(block, shape, given, several=len(values) > 1)
        for output, _ in results.values():
            leaving.setdefault(tuple(output.shape[1:]), output)
        costs.append(tuple(cost for _, cost in results.values()))
        leads_to.append(tuple(list(leaving).index(tuple(output.shape[1:])) for output, _ in results.values()))
    names, entering, largest = list(block.options), _shapes(values), []
    for index, name in enumerate(names):
        family = block.family(name)
        sharing = [i for i, other in enumerate(names) if i == index or (family and block.family(other) is family)]
        members = {key: module for key, module in modules.items() if key[0] in sharing}
        largest.append(max(members, key=lambda key: count_params(modules[key])))
        if not check_sharing:
            continue
        for number, shape in enumerate(entering):
            where = f"block '{block.name}', option '{name}', entered by {shape},"
            check_slices(where, modules[largest[index]], modules[index, number])
        if family and index == sharing[0]:
            _check_smallest(block, names, family, values, members)
    return _Block(tuple(costs), tuple(leads_to), tuple(largest), list(leaving.values()))


def _check_smallest(
    block: Block, names: list[str], family: Family, values: list[Tensor], modules: dict[tuple[int, int], nn.Module]
) -> None:
    """That the smallest setting really computes with slices of the largest: `check_elastic` does it for all."""
    by_size = sorted(modules, key=lambda key: count_params(modules[key]))
    (option, number), largest = by_size[0], by_size[-1]
    x = _repeated(values[number], 4)
    assert isinstance(x, Tensor)
    if x.is_floating_point():
        x = x + torch.randn_like(x)  # batch norm needs samples that differ
    where = f"block '{block.name}', option '{names[option]}', entered by {tuple(x.shape[1:])},"
    check_pair(where, modules[largest], modules[by_size[0]], family.slicing, x)


def _check_leaving(block: Block, entering: Shape, leaving: Mapping[str, Shape], *, several: bool) -> None:
    """Options give one shape. Only elastic ones, and what lets any width pass, may differ, and in width only.

    Args:
        several: whether there are other shapes that may enter.
    """
    elastic = {shape for option, shape in leaving.items() if block.family(option)}
    passing = {entering} if elastic or several else set()
    fixed = [shape for shape in leaving.values() if shape not in passing]
    expected = passing | (elastic or set(fixed[:1]))
    first = next(option for option, shape in leaving.items() if shape in expected)
    for option, shape in leaving.items():
        if shape not in expected or shape[1:] != leaving[first][1:] or len(shape) != len(leaving[first]):
            raise SpaceError(
                f"block '{block.name}', option '{option}' turns {entering} into {shape}, but option '{first}' gives"
                f" {leaving[first]}; all options of a block must give the same shape, but for the width (the first"
                " number) of elastic ones"
            )


def _try_head(task: Task, values: list[Tensor], samples: int) -> _Head:
    where = f"the head of task '{task.name}'"
    made, costs, outputs = [], [], []
    for value in values:
        shape = tuple(value.shape[1:])
        made.append(_make(where, partial(task.head, shape), shape))
        output, cost = _try(where, made[-1], value, shape, samples)
        costs.append(cost)
        outputs.append(tuple(output.shape[1:]))
    if len(set(outputs)) > 1:
        raise SpaceError(
            f"{where} gives {outputs[0]} for one width and {outputs[-1]} for another; give one shape for all"
        )
    largest = max(range(len(made)), key=lambda number: count_params(made[number]))
    for value, head in zip(values, made, strict=True):
        check_slices(f"{where}, entered by {tuple(value.shape[1:])},", made[largest], head)
    return _Head(tuple(costs), largest, outputs[0])


def _shapes(values: Sequence[Tensor]) -> tuple[Shape, ...]:
    return tuple(tuple(value.shape[1:]) for value in values)


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
    lazy = next((part for part in module.modules() if any(map(is_lazy, part.parameters(recurse=False)))), None)
    if lazy is not None:
        raise SpaceError(
            f"{where} leaves sizes open ({type(lazy).__name__}), which its copies would each settle for themselves;"
            f" make it for the shape that its factory is given, {shape}"
        )
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
        double = any(tensor.dtype == torch.float64 for tensor in _tensors(x))
        remedy = "; the input is float64, but weights are float32: give x.float()" if double else ""
        raise SpaceError(f"{where} does not fit its input of shape {shape}{alone}: {_reason(error)}{remedy}") from error


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
