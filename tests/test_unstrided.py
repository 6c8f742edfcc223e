"""Strided 1x1 convolutions of few channels compute the same without their stride, which torch may not survive."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from mtnas.space.elastic import elastic
from mtnas.space.elastic.sliced import Sliced
from mtnas.space.elastic.slicing import leading
from mtnas.space.operators import conv
from mtnas.space.unstrided import has_fault, unstrided


def images(channels: int, seed: int = 0) -> Tensor:
    x = torch.randn(6, channels, 5, 7, generator=torch.Generator().manual_seed(seed))
    return x.requires_grad_()  # channels first, which is safe


def computed(module: nn.Module, x: Tensor) -> list[Tensor]:
    """The output and all gradients."""
    module.zero_grad()
    x.grad = None
    y = module(x)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    gradients = [weight.grad for weight in module.parameters()]
    assert x.grad is not None and all(one is not None for one in gradients)
    return [y.detach(), x.grad, *(one for one in gradients if one is not None)]


@pytest.mark.parametrize("stride", [2, 3, (1, 2)])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_it_computes_the_same(stride: int | tuple[int, int], groups: int, bias: bool) -> None:
    module = nn.Sequential(nn.Conv2d(4, 6, 1, stride, groups=groups, bias=bias), nn.BatchNorm2d(6)).double()
    x = images(4).detach().double().requires_grad_()
    usual = computed(module, x)
    with unstrided(module, needed=True):
        found = computed(module, x)
    for one, other in zip(found, usual, strict=True):
        torch.testing.assert_close(one, other)
    assert all("_conv_forward" not in one.__dict__ for one in module.modules())


def strides_that_run(module: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Of the calls of torch's convolution."""
    seen: list[tuple[int, ...]] = []
    usual = torch.nn.functional.conv2d

    def watched(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: object = 1, *rest: object, **more: int):  # type: ignore[no-untyped-def]
        seen.append(stride if isinstance(stride, tuple) else (stride, stride))  # type: ignore[arg-type]
        return usual(x, weight, bias, stride, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.functional, "conv2d", watched)
        with unstrided(module, needed=True):
            module(x)
    return seen


def test_only_those_are_changed_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: int) -> list[tuple[int, ...]]:
        return strides_that_run(nn.Conv2d(*arguments), images(arguments[0]), monkeypatch)

    assert run(4, 3, 1, 2) == [(1, 1)]
    assert run(8, 3, 1, 2) == [(2, 2)]  # enough channels
    assert run(4, 3, 3, 2) == [(2, 2)]
    assert run(4, 3, 1, 2, 1) == [(2, 2)]  # padded


def test_channels_are_those_of_the_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    options = elastic(conv, channels=(4,), kernel=(1,), stride=2)
    make = next(iter(options.values()))
    full, small = make((8, 5, 7)), make((4, 5, 7))
    assert strides_that_run(Sliced(full, small, leading), images(4), monkeypatch) == [(1, 1)]
    assert strides_that_run(full, images(8), monkeypatch) == [(2, 2)]


def test_an_exception_leaves_the_modules_as_they_were() -> None:
    module = nn.Conv2d(4, 3, 1, 2)
    with pytest.raises(ValueError, match="on the way"), unstrided(module, needed=True):
        raise ValueError("on the way")
    assert "_conv_forward" not in module.__dict__


def test_nothing_is_changed_where_the_fault_is_not() -> None:
    module = nn.Conv2d(4, 3, 1, 2)
    with unstrided(module, needed=False):
        assert "_conv_forward" not in module.__dict__
    with unstrided(module):
        assert ("_conv_forward" in module.__dict__) == has_fault()


STEPS = """
import torch
from torch import nn
from mtnas.space.unstrided import unstrided
torch.set_num_threads(1)
for channels in range(1, 8):
    module = nn.Conv2d(channels, 8, 1, 2).to(memory_format=torch.channels_last)
    for side in (4, 8, 16, 32):
        for _ in range(5):
            x = torch.randn(32, channels, side, side).to(memory_format=torch.channels_last)
            with unstrided(module):
                y = module(x)
            y.sum().backward()
print("done")
"""


def test_channels_last_survive_on_this_machine() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-500:]
