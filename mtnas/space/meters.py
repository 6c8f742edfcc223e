"""Error meters: one number per task over all of its labelled samples, lower being better.

Each is a class without required arguments, so that the class itself serves as ``Task(error=...)``. ``missing`` marks
single entries (pixels, outputs, labels of a sample) that do not count; whole samples without a label never get here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from mtnas.errors import DataError
from mtnas.space.presence import present
from mtnas.space.task import CollectingMeter, ErrorMeter


def roc_auc(scores: Tensor, positive: Tensor) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, a tie counting half.

    Args:
        scores: (N,), any scale, higher for positives.
        positive: (N,) booleans.

    Returns:
        The area, exact with ties (Mann-Whitney U from mean ranks); NaN if a class or a score is missing.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives or bool(torch.isnan(scores).any()):
        return math.nan
    _, tied, sizes = torch.unique(scores, return_inverse=True, return_counts=True)
    doubled_ranks = 2 * sizes.cumsum(0) - sizes + 1  # of each run of ties; doubled, so that all sums stay integers
    doubled_u = int(doubled_ranks[tied[positive]].sum()) - positives * (positives + 1)
    return doubled_u / (2 * positives * negatives)


class ErrorRate(ErrorMeter):
    """Share of wrong classes.

    Takes outputs (N, C, ...), whose highest entry along C is the answer, and integer labels (N, ...).
    """

    def __init__(self, missing: int = -100) -> None:
        self.missing = missing
        self.wrong = 0
        self.seen = 0

    def update(self, output: Tensor, label: Tensor) -> None:
        there = present(label, self.missing)
        self.wrong += int(((output.argmax(1) != label) & there).sum())
        self.seen += int(there.sum())

    def compute(self) -> float:
        return self.wrong / _some(self.seen)


class RocAucError(CollectingMeter):
    """1 - area under the ROC curve, for logits (N,) and labels (N,) of 0 and 1. NaN where an output is NaN.

    Ranks need all outputs, so they are kept (on the CPU) until `compute`.
    """

    def compute(self) -> float:
        """The error.

        Raises:
            DataError: if no sample or only one class was seen.
        """
        _some(len(self.outputs))
        outputs, positive = torch.cat(self.outputs), torch.cat(self.labels) == 1
        if bool(positive.all()) or not bool(positive.any()):
            raise DataError(
                f"all {_some(len(positive))} labels are {int(positive[0])}, so there is no ROC AUC;"
                " give the split samples of both classes, or judge the task by error=LogLossError"
            )
        return 1 - roc_auc(outputs, positive)


class LogLossError(ErrorMeter):
    """Mean binary log loss in nats, for logits (N,) and labels (N,) of 0 and 1: tells calibration, unlike the AUC."""

    def __init__(self) -> None:
        self.total = 0.0
        self.seen = 0

    def update(self, output: Tensor, label: Tensor) -> None:
        logits = output.detach().cpu().double()
        losses = functional.binary_cross_entropy_with_logits(logits, label.detach().cpu().double(), reduction="sum")
        self.total += float(losses)
        self.seen += label.numel()

    def compute(self) -> float:
        return self.total / _some(self.seen)


class MultiLabelAucError(CollectingMeter):
    """Mean over labels of 1 - ROC AUC, for logits (N, L) and labels (N, L) of 0 and 1, entries of which may be missing.

    A label with one class only has no AUC and is left out of the mean, so that a rare label in a small split does not
    stop a search.
    """

    def __init__(self, missing: float = math.nan) -> None:
        super().__init__()
        self.missing = missing

    def compute(self) -> float:
        """The error.

        Raises:
            DataError: if no sample was seen or no label has both classes.
        """
        _some(len(self.outputs))
        outputs, labels = torch.cat(self.outputs), torch.cat(self.labels)
        there = present(labels, self.missing)
        errors = []
        for column in range(labels.shape[1]):
            rows = there[:, column]
            positive = labels[rows, column] == 1
            if bool(positive.any()) and not bool(positive.all()):
                errors.append(1 - roc_auc(outputs[rows, column], positive))
        if not errors:
            raise DataError(
                f"none of {labels.shape[1]} labels has both classes among {len(labels)} samples, so there is no"
                " ROC AUC; give the split more samples"
            )
        return sum(errors) / len(errors)


class RootMeanSquaredError(ErrorMeter):
    """Square root of the mean squared difference over all entries that are there, in the label's unit.

    Takes outputs and labels of one shape: (N,), (N, outputs) or (N, C, H, W).
    """

    def __init__(self, missing: float = math.nan) -> None:
        self.missing = missing
        self.total = 0.0
        self.seen = 0

    def update(self, output: Tensor, label: Tensor) -> None:
        there = present(label, self.missing)
        difference = (output.detach() - label)[there].cpu().double()
        self.total += float(difference.square().sum())
        self.seen += difference.numel()

    def compute(self) -> float:
        return math.sqrt(self.total / _some(self.seen))


class MeanIouError(ErrorMeter):
    """1 - mean over classes of intersection over union of pixels, for outputs (N, C, H, W) and classes (N, H, W).

    Summed over all pixels first, not averaged over images. A class that is neither there nor predicted is left out.
    """

    def __init__(self, missing: int = -100) -> None:
        self.missing = missing
        self.confusion = torch.zeros(0, 0, dtype=torch.int64)  # [true class, predicted class] -> pixels

    def update(self, output: Tensor, label: Tensor) -> None:
        classes = output.shape[1]
        there = present(label, self.missing)
        true, predicted = label[there].long(), output.argmax(1)[there]
        if len(true) and not 0 <= int(true.min()) <= int(true.max()) < classes:
            raise DataError(
                f"pixels hold classes {int(true.min())} to {int(true.max())}, but the outputs have {classes} classes;"
                f" raise classes=, or mark pixels without a class by {self.missing}"
            )
        counts = torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, classes).cpu()
        self.confusion = counts if self.confusion.numel() == 0 else self.confusion + counts

    def compute(self) -> float:
        _some(int(self.confusion.sum()))
        both = self.confusion.diagonal().double()
        either = self.confusion.sum(0) + self.confusion.sum(1) - self.confusion.diagonal()
        return 1 - float((both / either)[either > 0].mean())


def _some(seen: int) -> int:
    if not seen:
        raise DataError("no labelled sample was seen, so there is no error to compute; give the split labelled samples")
    return seen
