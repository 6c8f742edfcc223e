"""What can be wrong with the labels of the ready tasks, as sentences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mtnas.space.presence import present


def check_classes(output: Tensor, label: Tensor, *, classes: int, missing: int) -> str | None:
    n = len(output)
    return (
        _wrong_output(output, (n, classes), f"linear_head({classes})")
        or _wrong_label(label, (n,), "give one class number per sample, not one-hot rows or a dimension of size 1")
        or _wrong_class(label, classes, missing)
    )


@dataclass(frozen=True)
class Places:
    """Where a label has an entry each, in the words of messages.

    Attributes:
        one: a place.
        form: of their dimensions.
        head: that gives outputs for them, with ``{outputs}`` and a ``{}`` for each dimension.
        numbers: the dimension of numbers at a place, of which a label has a ``row`` for each output.
        argument: of the task, for how many there are.
    """

    one: str
    form: str
    head: str
    numbers: str
    row: str
    argument: str

    def sizes(self, label: Tensor) -> tuple[int, ...]:
        """Of the label's last dimensions; zeros if it has none to spare."""
        count = self.form.count(",") + 1
        return tuple(label.shape[-count:]) if label.dim() > count else (0,) * count


PIXELS = Places("pixel", "H, W", "pixel_head({outputs}, size=({}, {}))", "a channel dimension", "channel", "channels")
STEPS = Places("step", "L", "step_head({outputs}, length={})", "a dimension of numbers per step", "row", "outputs")


def check_classes_at(output: Tensor, label: Tensor, *, places: Places, classes: int, missing: int) -> str | None:
    n, sizes = len(output), places.sizes(label)
    return (
        _wrong_dims(
            label,
            1 + len(sizes),
            f"(N, {places.form})",
            f"give one class number per {places.one} without a channel dimension",
        )
        or _wrong_output(output, (n, classes, *sizes), places.head.format(*sizes, outputs=classes))
        or _wrong_label(label, (n, *sizes), "give one label per input")
        or _wrong_class(label, classes, missing)
    )


def check_numbers_at(output: Tensor, label: Tensor, *, places: Places, outputs: int, missing: float) -> str | None:
    n, sizes = len(output), places.sizes(label)
    return (
        _wrong_dims(label, 2 + len(sizes), f"(N, C, {places.form})", f"add {places.numbers} by label.unsqueeze(1)")
        or _wrong_output(output, (n, outputs, *sizes), places.head.format(*sizes, outputs=outputs))
        or _wrong_label(label, (n, outputs, *sizes), f"give one {places.row} per output, or set {places.argument}=")
        or _wrong_number(label, missing)
    )


def check_binary(output: Tensor, label: Tensor, *, labels: int | None, missing: float) -> str | None:
    n = len(output)
    shape = (n,) if labels is None else (n, labels)
    remedy = "drop the dimension by label.squeeze(1)" if labels is None else "give one column per label"
    wrong = _wrong_output(output, shape, f"linear_head({labels})") or _wrong_label(label, shape, remedy)
    if wrong:
        return wrong
    values = label[present(label, missing)]
    odd = values[(values != 0) & (values != 1)]
    if len(odd):
        return (
            f"the label holds {odd[0].item():g}, but a label is 0, 1 or {missing:g} (= missing);"
            " convert it, or name the value that means missing as missing="
        )
    return None


def check_numbers(output: Tensor, label: Tensor, *, trailing: tuple[int, ...], missing: float) -> str | None:
    shape = (len(output), *trailing)
    outputs = trailing[0] if trailing else None
    remedy = "give one column per output" if trailing else "drop the dimension by label.squeeze(1), or set outputs="
    return (
        _wrong_output(output, shape, f"linear_head({outputs})")
        or _wrong_label(label, shape, remedy)
        or _wrong_number(label, missing)
    )


def _wrong_output(output: Tensor, shape: tuple[int, ...], head: str) -> str | None:
    if tuple(output.shape) == shape:
        return None
    return f"the head's output has shape {tuple(output.shape)}, but needs {shape}; use head={head}"


def _wrong_label(label: Tensor, shape: tuple[int, ...], remedy: str) -> str | None:
    if tuple(label.shape) == shape:
        return None
    return f"the label has shape {tuple(label.shape)}, but needs {shape}; {remedy}"


def _wrong_dims(label: Tensor, dims: int, form: str, remedy: str) -> str | None:
    if label.dim() == dims:
        return None
    return f"the label has shape {tuple(label.shape)}, but needs the form {form}; {remedy}"


def _wrong_class(label: Tensor, classes: int, missing: int) -> str | None:
    if label.is_floating_point() or label.is_complex() or label.dtype == torch.bool:
        return f"the label has dtype {label.dtype}, but class numbers are integers; convert it by label.long()"
    values = label[present(label, missing)].long()
    odd = values[(values < 0) | (values >= classes)]
    if len(odd):
        return (
            f"the label holds class {int(odd[0])}, but classes run from 0 to {classes - 1} and {missing} means missing;"
            " renumber the label, or set classes= or missing="
        )
    return None


def _wrong_number(label: Tensor, missing: float) -> str | None:
    if label.is_complex() or label.dtype == torch.bool:
        return f"the label has dtype {label.dtype}, but needs real numbers; convert it by label.float()"
    values = label[present(label, missing)].double()
    odd = values[~torch.isfinite(values)]
    if len(odd):
        return f"the label holds {odd[0].item():g}, but needs finite numbers or {missing:g} (= missing); clean the data"
    return None
