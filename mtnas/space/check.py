"""Everything about a space and its data that can be found wrong before training."""

from __future__ import annotations

import traceback
import warnings
from itertools import chain

import torch
from torch import Tensor

from mtnas.errors import DataError
from mtnas.space.chance import fixed_chance
from mtnas.space.data import Batch, Data
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.task import ErrorMeter, Task, as_number


def check(space: SearchSpace, data: Data) -> DryRun:
    """Dry-run the space on a few samples of the data, then every task's loss and error on their labels.

    Raises:
        SpaceError: an operator that does not fit.
        DataError: a label that is missing, of the wrong shape or of the wrong type.
    """
    batch = data.example()
    found = space.dry_run(batch[0], data.training_batch_size or 2)
    for task, shape in zip(space.tasks, found.outputs, strict=True):
        _check_task(task, shape, batch)
    return found


def check_judged(space: SearchSpace, data: Data) -> None:
    """See that the validation data has a labelled sample of every task, reading it only until that is known.

    Iterable-style data is not looked through, for it may have no end.

    Raises:
        DataError: naming a task that has none.
    """
    batches, left = data.valid_batches(), list(space.tasks)
    if not hasattr(batches.dataset, "__len__"):
        return
    with fixed_chance():  # samples may be augmented
        for _, labels in chain([data.example()], batches):
            left = [task for task in left if not bool(task.labelled(task.label_of(labels)).any())]
            if not left:
                return
    raise DataError(
        f"task '{left[0].name}' has no labelled sample in the valid data, by which it is judged; give it at least one"
        " there"
    )


def _check_task(task: Task, shape: tuple[int, ...], batch: Batch) -> None:
    label = task.label_of(batch[1])
    generator = torch.Generator().manual_seed(0)
    output = torch.randn((len(label), *shape), generator=generator, requires_grad=True)
    what = f"task '{task.name}': output {_form(output)} and label {_form(label)}"
    if task.check is not None:
        problem = task.check(output, label)
        if problem is not None:
            raise DataError(f"task '{task.name}': {problem}")
    labelled = task.labelled(label)
    try:
        with warnings.catch_warnings():
            # Losses that broadcast (N, 1) against (N,) only warn, and then train on nonsense.
            warnings.filterwarnings("error", message="Using a target size")
            loss = task.loss_on(output, label)
        if bool(labelled.any()):
            meter = task.error()
            meter.update(output.detach()[labelled], label[labelled])  # as in judging: without gradients
            _compute(meter)
    except Exception as error:
        reason = traceback.format_exception_only(error)[-1].strip()
        raise DataError(f"{what} do not fit its loss or error: {reason}") from error
    if loss is None:
        return
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        form = _form(loss) if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise DataError(f"{what}: the loss must be a scalar tensor, but is {form}; take its mean")
    if not loss.requires_grad:
        raise DataError(f"{what}: the loss does not depend on the output, so nothing can be learned from it")
    (gradient,) = torch.autograd.grad(loss, output, allow_unused=True)
    if gradient is not None and bool(loss.isfinite()) and not bool(gradient.isfinite().all()):
        raise DataError(
            f"{what}: the loss is {float(loss.detach()):g}, but its gradient is not finite, as where missing entries"
            " are only masked after computing with them; put numbers in their place before, as by"
            " torch.nan_to_num(label), or index the entries that are there"
        )


def _compute(meter: ErrorMeter) -> None:
    """Raise what a meter's ``compute`` raises if more samples would not help it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            as_number(meter.compute())
        except (TypeError, NameError, AttributeError, ImportError):
            raise
        except Exception:
            return  # a few samples may be too few, such as of one class; judging takes all of them


def _form(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
