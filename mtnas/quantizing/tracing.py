"""One forward pass, watched: which values modules take and give, and what reads them.

Values are numbered as they come to be. An operator that does once more what was done before gives the value of before,
since an exporter keeps one of the two only. Modules are seen by hooks; what happens between them (a sum in somebody's
``forward``, a functional ReLU) by torch's dispatcher, which sees every operator whatever Python wrote it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mtnas.space.elastic import device_of
from mtnas.space.shapes import Input, head_of, to_device

_aten = torch.ops.aten

_SAME_VALUE = {_aten.alias.default, _aten.detach.default, _aten.clone.default}
"""Operators that an exported graph does not have."""

_SUMS = {_aten.add.Tensor, _aten.add_.Tensor}
_RECTIFIERS = {_aten.relu.default, _aten.relu_.default}
_CLIPS = {_aten.hardtanh.default, _aten.hardtanh_.default, _aten.clamp.default, _aten.clamp_.default}
_LOWER_CLIPS = {_aten.clamp_min.default, _aten.clamp_min_.default}
_UPPER_CLIPS = {_aten.clamp_max.default, _aten.clamp_max_.default}
_LIMITED = _CLIPS | _LOWER_CLIPS | _UPPER_CLIPS


@dataclass(frozen=True)
class Visit:
    """One call of a module.

    Attributes:
        name: of the module.
        number: of the call, counted from 0 for each module.
        takes: the value that enters first, of a dict that of its first tensor; None if there is no tensor.
        rank: number of dimensions of what enters.
        gives: the value that leaves, None if it is no tensor, as a dict.
        made: whether what leaves came to be within the call, and in no module within it.
        elements: of the tensor that leaves, for both samples.
    """

    name: str
    number: int
    module: nn.Module
    takes: int | None
    rank: int
    gives: int | None
    made: bool
    elements: int


@dataclass(frozen=True)
class Trace:
    """What was seen in one pass.

    Attributes:
        visits: calls of modules in the order in which they ended: inner ones before those that they are part of.
        readers: number of operators that read each value.
        norms: by the value that a batch norm's operator reads: the value that it gives.
        clips: by the value that a ReLU or another clipping operator reads: the value that it gives, and its limits.
        sums: by the value that an addition of two tensors gives: the two.
        live: the values that an output depends on, as far as is known for sure that others do not matter.
    """

    visits: tuple[Visit, ...]
    readers: Mapping[int, int]
    norms: Mapping[int, int]
    clips: Mapping[int, tuple[int, tuple[float, float]]]
    sums: Mapping[int, tuple[int, int]]
    live: frozenset[int]


def trace(module: nn.Module, x: Input) -> Trace:
    """Run a module on two samples, in evaluation mode and without gradients.

    Args:
        x: a batch of inputs.
    """
    watch = _Watch()
    with ExitStack() as undo:
        undo.enter_context(evaluating(module))
        for name, part in module.named_modules():
            enter, leave = _hooks(name, watch)
            undo.callback(part.register_forward_pre_hook(enter, with_kwargs=True).remove)
            undo.callback(part.register_forward_hook(leave, with_kwargs=True).remove)
        with torch.no_grad(), watch:
            output = module(to_device(head_of(x, 2), device_of(module)))
    live = frozenset(watch.behind(_tensors([output])))
    return Trace(tuple(watch.visits), watch.readers, watch.norms, watch.clips, watch.sums, live)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """In evaluation mode within; every part gets its own mode back."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Numbers values, counts their readers and notes what clips or adds them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.visits: list[Visit] = []
        self.readers: Counter[int] = Counter()
        self.norms: dict[int, int] = {}
        self.clips: dict[int, tuple[int, tuple[float, float]]] = {}
        self.sums: dict[int, tuple[int, int]] = {}
        self.calls: Counter[str] = Counter()
        self.entered: list[tuple[int, int | None, int]] = []
        self.returned: set[int] = set()
        self.written: dict[int, int] = {}
        """By the identity of a tensor: when it was written, which counts up."""
        self._values: dict[int, int] = {}
        self._sources: dict[int, list[int]] = {}
        """By value: those that it was made of."""
        self._roots: set[int] = set()
        """Values that may matter beside those that outputs are made of."""
        self._sharing: dict[int, set[int]] = {}
        """By the place of a storage: the tensors that lie there."""
        self._done: dict[str, list[int]] = {}
        self._kept: list[Tensor] = []  # or another tensor may get the identity of one that is gone
        self._count = itertools.count()

    def now(self) -> int:
        return next(self._count)

    def value(self, tensor: Tensor) -> int:
        if id(tensor) not in self._values:
            self._write(tensor, self.now())
        return self._values[id(tensor)]

    def _write(self, tensor: Tensor, value: int) -> None:
        """A tensor carries a value from now on."""
        self._kept.append(tensor)
        self._values[id(tensor)] = value
        self.written[id(tensor)] = self.now()
        self._sharing.setdefault(_place(tensor), set()).add(id(tensor))

    def behind(self, outputs: Iterable[Tensor]) -> set[int]:
        """The values that outputs are made of, and all that may matter beside."""
        left = [*self._roots, *(self.value(tensor) for tensor in outputs)]
        found: set[int] = set()
        while left:
            value = left.pop()
            if value not in found:
                found.add(value)
                left += self._sources.get(value, [])
        return found

    def _note_sources(self, func: Any, args: tuple[Any, ...], read: list[int], done: list[int]) -> None:
        for value in done:
            self._sources.setdefault(value, read)
        shared = any(len(self._sharing.get(_place(tensor), ())) != 1 for tensor in _tensors(args))
        # What is written to a part of a tensor changes the whole; what leaves no tensor may decide anything.
        if not done or (func._schema.is_mutable and shared):
            self._roots.update(read)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        read = [self.value(tensor) for tensor in _tensors([*args, *(kwargs or {}).values()])]
        found = func(*args, **(kwargs or {}))
        outputs = list(_tensors([found]))
        if func in _SAME_VALUE:
            done = [read[0]]
        else:
            doing = f"{func} {_plain(args)} {_plain(kwargs)} {read}"
            if doing not in self._done or torch.Tag.nondeterministic_seeded in func.tags:
                self._done[doing] = [self.now() for _ in outputs]
                self.readers.update(read)
            done = self._done[doing]
        for tensor, value in zip(outputs, done, strict=True):
            self._write(tensor, value)
        self._note_sources(func, args, read, done)
        if "batch_norm" in str(func):
            self.norms[read[0]] = done[0]
        limits = _limits(func, args, kwargs or {})
        if limits is not None:
            self.clips[read[0]] = done[0], limits
        if func in _SUMS and len(read) == 2:
            self.sums[done[0]] = read[0], read[1]
        return found


def _place(tensor: Tensor) -> int:
    """Where a tensor lies, which others may share; one that is not laid out in a row, as sparse ones, lies alone."""
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else -id(tensor)


def _limits(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[float, float] | None:
    """Limits that an operator clips to, None for any other operator."""
    if func in _RECTIFIERS:
        return 0.0, math.inf
    if func not in _LIMITED:
        return None
    usual = (-1.0, 1.0) if func in {_aten.hardtanh.default, _aten.hardtanh_.default} else (None, None)
    names = ("min_val", "max_val") if usual[0] is not None else ("min", "max")
    given = dict(zip(names[1:] if func in _UPPER_CLIPS else names, args[1:], strict=False)) | dict(kwargs)
    low, high = (given.get(name, default) for name, default in zip(names, usual, strict=True))
    return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))


def _plain(value: Any) -> Any:
    """The arguments of an operator without the tensors among them."""
    if isinstance(value, Tensor):
        return "tensor"
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, Mapping):
            yield from _tensors(value.values())


def _hooks(name: str, watch: _Watch) -> tuple[Callable[..., None], Callable[..., None]]:
    """Hooks that note a module's calls; what enters is noted before it may be changed in place."""

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        first = next(_tensors([*args, *kwargs.values()]), None)
        takes, rank = (None, 0) if first is None else (watch.value(first), first.dim())
        watch.entered.append((watch.now(), takes, rank))

    def leave(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        before, takes, rank = watch.entered.pop()
        gives, made, elements = None, False, 0
        if isinstance(output, Tensor):
            elements = output.numel()
            gives, written = watch.value(output), watch.written[id(output)]
            made = written > before and written not in watch.returned
            watch.returned.add(written)
        watch.visits.append(Visit(name, watch.calls[name], module, takes, rank, gives, made, elements))
        watch.calls[name] += 1

    return enter, leave
