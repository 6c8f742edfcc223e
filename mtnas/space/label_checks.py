"""What can be wrong with the labels of the ready tasks, as sentences."""

from __future__ import annotations

import torch
from torch import Tensor

from mtnas.space.meters import present


def check_classes(output: Tensor, label: Tensor, *, classes: int, missing: int) -> str | None:
    n = len(output)
    return (
        _wrong_output(output, (n, classes), f"linear_head({classes})")
        or _wrong_label(label, (n,), "give one class number per sample, not one-hot rows or a dimension of size 1")
        or _wrong_class(label, classes, missing)
    )


def check_pixel_classes(output: Tensor, label: Tensor, *, classes: int, missing: int) -> str | None:
    n, (height, width) = len(output), (label.shape[-2:] if label.dim() > 2 else (0, 0))
    return (
        _wrong_dims(label, 3, "(N, H, W)", "give one class number per pixel without a channel dimension")
        or _wrong_output(output, (n, classes, height, width), f"pixel_head({classes}, size=({height}, {width}))")
        or _wrong_label(label, (n, height, width), "give one label per input")
        or _wrong_class(label, classes, missing)
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


def check_pixel_numbers(output: Tensor, label: Tensor, *, channels: int, missing: float) -> str | None:
    n, (height, width) = len(output), (label.shape[-2:] if label.dim() > 2 else (0, 0))
    return (
        _wrong_dims(label, 4, "(N, C, H, W)", "add a channel dimension by label.unsqueeze(1)")
        or _wrong_output(output, (n, channels, height, width), f"pixel_head({channels}, size=({height}, {width}))")
        or _wrong_label(label, (n, channels, height, width), "give one channel per output, or set channels=")
        or _wrong_number(label, missing)
    )


def check_step_classes(output: Tensor, label: Tensor, *, classes: int, missing: int) -> str | None:
    n, length = len(output), label.shape[-1] if label.dim() > 1 else 0
    return (
        _wrong_dims(label, 2, "(N, L)", "give one class number per step without a channel dimension")
        or _wrong_output(output, (n, classes, length), f"step_head({classes}, length={length})")
        or _wrong_label(label, (n, length), "give one label per input")
        or _wrong_class(label, classes, missing)
    )


def check_step_numbers(output: Tensor, label: Tensor, *, outputs: int, missing: float) -> str | None:
    n, length = len(output), label.shape[-1] if label.dim() > 1 else 0
    return (
        _wrong_dims(label, 3, "(N, C, L)", "add a dimension of numbers per step by label.unsqueeze(1)")
        or _wrong_output(output, (n, outputs, length), f"step_head({outputs}, length={length})")
        or _wrong_label(label, (n, outputs, length), "give one row per output, or set outputs=")
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
