"""Run every operator of a space once on a real sample, before anything is trained."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from mtnas.space.own_weights import OwnWeights
from mtnas.space.shapes import Input, InputShape, Shape, head_of, input_shape, on_tensors, tensors_of
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
            each unless widths are searched. Where a dict of tensors enters, a shape is a dict.
        largest: for every block and option, the (option, entering shape) whose module holds the weights of all that
            share them; numbers.
        largest_head: number of the entering shape whose head holds the weights of all, by task.
        outputs: shape of every task's output.
        costs: exact costs of the stem, every option and every head, at batch size 1.
        idle: whether an option hands on what enters and does nothing (`nn.Identity`), ``[block][option]``.
    """

    input: InputShape
    shapes: tuple[tuple[InputShape, ...], ...]
    largest: tuple[tuple[tuple[int, int], ...], ...]
    largest_head: tuple[int, ...]
    outputs: tuple[Shape, ...]
    costs: CostTable
    idle: tuple[tuple[bool, ...], ...]


def dry_run(space: SearchSpace, x: Input, batch_size: int = 2, *, sharing: bool = True) -> DryRun:
    """Check that the stem, every option of every block, and every head fit together; count their costs.

    Args:
        x: a batch of at least one sample.
        batch_size: samples per training step: batch norm cannot train on single ones.
        sharing: whether it is seen, too, that options can share the weights of the largest of their family, and that
            nothing else shares any, which takes most of the time and is of no matter to who only wants the costs.

    Raises:
        SpaceError: naming the block, the option and both shapes.
    """
    # Single samples are so little work that a second thread only waits, for long where others want the cores.
    with torch.random.fork_rng(devices=[]), cpu_threads(1):
        one, samples = head_of(x, 1), min(batch_size, 2)
        made = _Made(sharing)
        stem = made("the stem", space.make_stem, input_shape(one))
        entering, stem_costs = _try("the stem", stem, one, samples)
        values = [entering]
        shapes, tried = [_shapes(values)], []
        for block in space.blocks:
            found = _try_block(block, values, samples, made)
            tried.append(found)
            values = found.leaving
            shapes.append(_shapes(values))
        heads = [_try_head(task, values, samples, made) for task in space.tasks]
    table = CostTable(
        stem_costs,
        tuple(block.costs for block in tried),
        tuple(block.leads_to for block in tried),
        tuple(zip(*(head.costs for head in heads), strict=True)),
    )
    largest = tuple(block.largest for block in tried)
    outputs = tuple(head.output for head in heads)
    heads_largest = tuple(head.largest for head in heads)
    idle = tuple(block.idle for block in tried)
    return DryRun(input_shape(one), tuple(shapes), largest, heads_largest, outputs, table, idle)


@dataclass(frozen=True)
class _Block:
    costs: tuple[tuple[tuple[int, int], ...], ...]  # [entering shape][option]
    leads_to: tuple[tuple[int, ...], ...]
    largest: tuple[tuple[int, int], ...]
    leaving: list[Input]
    idle: tuple[bool, ...]


@dataclass(frozen=True)
class _Head:
    costs: tuple[tuple[int, int], ...]  # [entering shape]
    largest: int
    output: Shape


def _try_block(block: Block, values: list[Input], samples: int, made: _Made) -> _Block:
    modules: dict[tuple[int, int], nn.Module] = {}
    leaving: list[Input] = []
    costs, leads_to = [], []
    for number, value in enumerate(values):
        shape, results = input_shape(value), {}
        for index, option in enumerate(block.options):
            where = f"block '{block.name}', option '{option}'"
            module = made(where, block.options[option], shape)
            modules[index, number] = module
            results[option] = _try(where, module, value, samples)
        given = {option: input_shape(output) for option, (output, _) in results.items()}
        _check_leaving(block, shape, given, several=len(values) > 1)
        for output, _ in results.values():
            if input_shape(output) not in _shapes(leaving):
                leaving.append(output)
        costs.append(tuple(cost for _, cost in results.values()))
        leads_to.append(tuple(_shapes(leaving).index(one) for one in given.values()))
    names, entering, largest = list(block.options), _shapes(values), []
    for index, name in enumerate(names):
        family = block.family(name)
        sharing = [i for i, other in enumerate(names) if i == index or (family and block.family(other) is family)]
        members = {key: module for key, module in modules.items() if key[0] in sharing}
        largest.append(max(members, key=lambda key: count_params(modules[key])))
        if not made.sharing:
            continue
        for number, shape in enumerate(entering):
            where = f"block '{block.name}', option '{name}', entered by {shape},"
            check_slices(where, modules[largest[index]], modules[index, number])
        if family and index == sharing[0]:
            _check_smallest(block, names, family, values, members)
    idle = [all(type(modules[i, n]) is nn.Identity for n in range(len(values))) for i in range(len(names))]
    return _Block(tuple(costs), tuple(leads_to), tuple(largest), leaving, tuple(idle))


def _check_smallest(
    block: Block, names: list[str], family: Family, values: list[Input], modules: dict[tuple[int, int], nn.Module]
) -> None:
    """That the smallest setting really computes with slices of the largest: `check_elastic` does it for all."""
    by_size = sorted(modules, key=lambda key: count_params(modules[key]))
    (option, number), largest = by_size[0], by_size[-1]
    # Batch norm needs samples that differ.
    x = on_tensors(
        lambda one: one + torch.randn_like(one) if one.is_floating_point() else one, _repeated(values[number], 4)
    )
    where = f"block '{block.name}', option '{names[option]}', entered by {input_shape(x)},"
    check_pair(where, modules[largest], modules[by_size[0]], family.slicing, x)


def _check_leaving(block: Block, entering: InputShape, leaving: Mapping[str, InputShape], *, several: bool) -> None:
    """Options give one shape. Only elastic ones, and what lets any width pass, may differ, and in width only.

    Args:
        several: whether there are other shapes that may enter.
    """
    elastic = [shape for option, shape in leaving.items() if block.family(option)]
    passing = [entering] if elastic or several else []
    fixed = [shape for shape in leaving.values() if shape not in passing]
    expected = passing + (elastic or fixed[:1])
    first = next(option for option, shape in leaving.items() if shape in expected)
    for option, shape in leaving.items():
        if shape not in expected or not _same_but_width(shape, leaving[first]):
            raise SpaceError(
                f"block '{block.name}', option '{option}' turns {entering} into {shape}, but option '{first}' gives"
                f" {leaving[first]}; all options of a block must give the same shape, but for the width (the first"
                " number) of elastic ones that give a tensor, not a dict"
            )


def _same_but_width(one: InputShape, other: InputShape) -> bool:
    if isinstance(one, dict) or isinstance(other, dict):
        return one == other
    return one[1:] == other[1:] and len(one) == len(other)


def _try_head(task: Task, values: list[Input], samples: int, made: _Made) -> _Head:
    where = f"the head of task '{task.name}'"
    modules, costs, outputs = [], [], []
    for value in values:
        shape = input_shape(value)
        modules.append(made(where, task.head, shape))
        output, cost = _try(where, modules[-1], value, samples)
        if not isinstance(output, Tensor):
            raise SpaceError(
                f"{where} must return a tensor, but returned a {type(output).__name__}; put several outputs into one,"
                " by torch.cat, and let loss and error take them apart"
            )
        costs.append(cost)
        outputs.append(tuple(output.shape[1:]))
    if len(set(outputs)) > 1:
        raise SpaceError(
            f"{where} gives {outputs[0]} for one width and {outputs[-1]} for another; give one shape for all"
        )
    largest = max(range(len(modules)), key=lambda number: count_params(modules[number]))
    for value, head in zip(values, modules, strict=True):
        check_slices(f"{where}, entered by {input_shape(value)},", modules[largest], head)
    return _Head(tuple(costs), largest, outputs[0])


def _shapes(values: Sequence[Input]) -> tuple[InputShape, ...]:
    return tuple(input_shape(value) for value in values)


class _Made:
    """Makes the modules of a space.

    Args:
        sharing: whether to see that they share no weights.
    """

    def __init__(self, sharing: bool) -> None:
        self.sharing, self._weights = sharing, OwnWeights()

    def __call__(self, where: str, factory: Callable[[Any], nn.Module], shape: InputShape) -> nn.Module:
        module = _make(where, factory, shape)
        if self.sharing:
            self._weights.add(where, module, _make(where, factory, shape))
        return module


def _make(where: str, factory: Callable[[Any], nn.Module], shape: InputShape) -> nn.Module:
    try:
        module = factory(shape)
    except Exception as error:
        raise SpaceError(
            f"{where} cannot be made for an input of shape {shape}: {_reason(error)}{_of_dicts(shape)}"
        ) from error
    if not isinstance(module, nn.Module):
        raise SpaceError(f"{where} must make a torch.nn.Module, but made a {type(module).__name__}")
    return module


def _of_dicts(shape: InputShape) -> str:
    """What may be missing where a dict of tensors enters."""
    return (
        "; a dict of tensors enters it: pick one by on_entry or from_entry of mtnas.space.operators, or join them in"
        " the stem"
        if isinstance(shape, dict)
        else ""
    )


def _try(where: str, module: nn.Module, x: Input, training_samples: int) -> tuple[Input, tuple[int, int]]:
    """Output for one sample and costs; checks the module in evaluation and in training mode."""
    shape = input_shape(x)
    lazy = next((part for part in module.modules() if any(map(is_lazy, part.parameters(recurse=False)))), None)
    if lazy is not None:
        raise SpaceError(
            f"{where} leaves sizes open ({type(lazy).__name__}), which its copies would each settle for themselves;"
            f" make it for the shape that its factory is given, {shape}"
        )
    try:
        trained = _run_untouched(where, module.train(), _repeated(x, training_samples))
        trained = _checked(f"{where}, in training,", trained)
        output = _checked(where, _run_untouched(where, module.eval(), x))
        if input_shape(trained) != input_shape(output):
            raise SpaceError(
                f"{where} returns {input_shape(trained)} in training, but {input_shape(output)} else; return the same"
            )
        return output, (count_params(module), count_macs(module, x))
    except SpaceError:
        raise
    except Exception as error:
        alone = (
            f" in training with batch_size = {training_samples}" if module.training and training_samples == 1 else ""
        )
        double = any(tensor.dtype == torch.float64 for tensor in tensors_of(x))
        remedy = "; the input is float64, but weights are float32: give x.float()" if double else _of_dicts(shape)
        raise SpaceError(f"{where} does not fit its input of shape {shape}{alone}: {_reason(error)}{remedy}") from error


def _checked(where: str, output: object) -> Input:
    """What a module returned, if a network can hand it on."""
    if isinstance(output, Tensor):
        return output
    if not isinstance(output, Mapping):
        raise SpaceError(f"{where} must return a tensor, or a dict of tensors, but returned a {type(output).__name__}")
    for name, value in output.items():
        if not isinstance(name, str):
            raise SpaceError(f"{where} must name the tensors of its dict by texts, but names one {name!r}")
        if not (isinstance(value, Tensor) and value.dim()):
            what = "0-d tensor" if isinstance(value, Tensor) else type(value).__name__
            raise SpaceError(
                f"{where} must return a tensor, or a dict of tensors, the batch dimension first, but in its dict"
                f" {name!r} is a {what}"
            )
    if not output:
        raise SpaceError(f"{where} returned an empty dict; return a tensor, or a dict with at least one")
    return output


def _run_untouched(where: str, module: nn.Module, x: Input) -> object:
    before = _state(x)
    with torch.no_grad():
        output: object = module(x)
    if _state(x) != before:
        remedy = "return a new dict, and use inplace=False" if isinstance(x, Mapping) else "use inplace=False"
        raise SpaceError(f"{where} changes its input in place, which other branches read too; {remedy}")
    return output


def _state(x: Input) -> list[tuple[str, int, int]]:
    """What changes with a batch that is changed: which tensors it has, and how often they were written to."""
    named = x.items() if isinstance(x, Mapping) else [("", x)]
    return [(name, id(tensor), tensor._version) for name, tensor in named]


def _repeated(x: Input, samples: int) -> Input:
    """A batch of one sample, repeated."""
    return on_tensors(lambda value: value.repeat(samples, *[1] * (value.dim() - 1)), x)


def _reason(error: Exception) -> str:
    return traceback.format_exception_only(error)[-1].strip()
