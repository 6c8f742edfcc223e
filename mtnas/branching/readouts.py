"""How well the targets of tasks can be read from features: linear readouts, judged on samples they were not fit to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mtnas.space.shapes import Input, tensors_of


@dataclass(frozen=True)
class Samples:
    """Features or targets of two sets of samples, each (samples, numbers): to fit readouts to, and to judge them by."""

    fit: Tensor
    judge: Tensor


def as_rows(values: Input, grid: int, *, series: bool = False, most: int = 5000) -> Tensor:
    """What leaves a node, as one row of numbers per sample, (N, D); the tensors of a dict side by side.

    Maps (N, C, H, W) are averaged over ``grid`` x ``grid`` places at most, those of videos and volumes (N, C, T, H, W)
    over ``grid``^3, tokens (N, S, C) over ``grid``^2: where something is seen matters to tasks, exactly where does not.

    Args:
        grid: side of the places.
        series: whether tensors of three dimensions are (N, C, L), as one-dimensional convolutions have them.
        most: numbers; where there would be more, as in wide networks, there are fewer places.
    """
    tensors = tensors_of(values)
    return torch.cat([_rows(_real(one.detach()), grid, series, most // len(tensors)) for one in tensors], dim=1)


def _real(values: Tensor) -> Tensor:
    """Of complex numbers both parts, as channels."""
    return torch.cat([values.real, values.imag], dim=1).float() if values.is_complex() else values.float()


def _rows(values: Tensor, grid: int, series: bool, most: int) -> Tensor:
    if values.dim() == 3:
        values = values if series else values.transpose(1, 2)
        # As many places for short ones: batches may be of different lengths.
        values = functional.adaptive_avg_pool1d(values, min(grid * grid, max(1, most // values.shape[1])))
    elif values.dim() == 4:
        height, width = _sides(values, grid, most)
        values = functional.adaptive_avg_pool2d(values, (height, width))
    elif values.dim() > 4:
        values = values.flatten(4)
        depth, height, width = _sides(values, grid, most)
        values = functional.adaptive_avg_pool3d(values, (depth, height, width))
    return values.flatten(1) if values.dim() > 1 else values[:, None]


def _sides(values: Tensor, grid: int, most: int) -> list[int]:
    """Places along every dimension: at most ``grid``, and as many that there are no more than ``most`` numbers."""
    found = [[min(side, length) for length in values.shape[2:]] for side in range(grid, 0, -1)]
    return next((sides for sides in found if values.shape[1] * math.prod(sides) <= most), found[-1])


def readout_losses(features: Samples, targets: Sequence[Samples], ridges: Sequence[float]) -> list[Tensor]:
    """Squared error of every judged sample for every target, as a share of the target's variance.

    A readout is a ridge regression with an intercept on standardised features. Its ridge, relative to the mean
    square of the features, is the best of ``ridges`` on the judged samples: one number for thousands of samples.

    Args:
        features: (samples, D).
        targets: each (samples, K of its own); rows with NaN have no label.
        ridges: to choose from.

    Returns:
        For every target (judged samples,), NaN where there is no label; all NaN if there are none to fit to.
    """
    mean = features.fit.mean(0)
    spread = features.fit.std(0).clamp_min(1e-6)
    fit = ((features.fit - mean) / spread).double()
    judge = ((features.judge - mean) / spread).double()
    solved: dict[bytes, tuple[Tensor, Tensor]] = {}
    found = []
    for target in targets:
        labelled = target.fit.isfinite().all(1)
        if int(labelled.sum()) < 2:
            found.append(torch.full((len(judge),), torch.nan, dtype=torch.float64))
            continue
        key = labelled.numpy(force=True).tobytes()
        if key not in solved:
            solved[key] = principal_axes(fit[labelled] - fit[labelled].mean(0))
        found.append(_losses(fit[labelled], target.fit[labelled].double(), judge, target.judge, solved[key], ridges))
    return found


def principal_axes(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Variances along the principal axes of centred rows (n, D), and the axes (D, axes): no more than rows."""
    if rows.shape[1] <= rows.shape[0]:
        values, vectors = torch.linalg.eigh(rows.T @ rows / max(1, len(rows)))
        return values, vectors
    values, inner = torch.linalg.eigh(rows @ rows.T / len(rows))
    there = values > 1e-10 * values[-1]
    values = values[there]
    return values, rows.T @ inner[:, there] / (len(rows) * values).sqrt()


def _losses(
    x: Tensor, y: Tensor, judge: Tensor, truth: Tensor, solved: tuple[Tensor, Tensor], ridges: Sequence[float]
) -> Tensor:
    values, vectors = solved
    x_mean, y_mean = x.mean(0), y.mean(0)
    along = vectors.T @ ((x - x_mean).T @ (y - y_mean) / max(1, len(x)))
    seen = (judge - x_mean) @ vectors
    variance = (y - y_mean).square().sum(1).mean().clamp_min(1e-12)
    scale = values.clamp_min(0).sum() / x.shape[1]
    best: Tensor | None = None
    for ridge in ridges:
        weights = along / (values.clamp_min(0) + ridge * scale + 1e-12)[:, None]
        losses = (seen @ weights + y_mean - truth.double()).square().sum(1) / variance
        if best is None or float(losses.nanmean()) < float(best.nanmean()):
            best = losses
    assert best is not None
    return best
