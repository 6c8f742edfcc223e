"""Two images on one canvas: the overlay protocol of MultiMNIST.

The first image goes to the top left, the second to the bottom right, and where they overlap the brighter pixel shows
(arXiv 1710.09829; 28x28 on 36x36 as in Pareto MTL, arXiv 1912.12854). Pairs are drawn by a seed; only the base images
and the pairs' numbers are kept, and images are composed when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from mtnas.errors import DataError

Sample = tuple[Tensor, dict[str, Tensor]]

PairLabel = Callable[[Tensor, Tensor], Tensor]
"""Label of pairs from the classes of their first and second images: (N,), (N,) -> (N, ...)."""


@dataclass(frozen=True)
class LabelledImages:
    """Grey images (N, H, W), from 0 to ``white``, and their classes (N,)."""

    images: Tensor
    classes: Tensor
    white: float = 255.0

    def __post_init__(self) -> None:
        if self.images.dim() != 3 or len(self.images) != len(self.classes):
            raise DataError(
                f"images must be (N, H, W) with one class each, but are {tuple(self.images.shape)}"
                f" with {len(self.classes)} classes"
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor) -> LabelledImages:
        """These images only."""
        return LabelledImages(self.images[indices], self.classes[indices], self.white)


def draw_pairs(first: int, second: int, count: int, seed: int) -> Tensor:
    """Numbers of a first and a second image, (count, 2), each uniform and independent."""
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(size, (count,), generator=generator) for size in (first, second)]
    return torch.stack(columns, dim=1)


class Overlays(Dataset[Sample]):
    """Pairs of images on one canvas: samples ``(x, labels)``, x of shape (1, canvas, canvas) from 0 to 1.

    Args:
        first: images that may stand top left.
        second: images that may stand bottom right; often the same.
        pairs: (N, 2), from `draw_pairs`.
        labels: label name -> function of the classes of the first and the second images.
        canvas: side of the canvas.
    """

    def __init__(
        self, first: LabelledImages, second: LabelledImages, pairs: Tensor, labels: Mapping[str, PairLabel], canvas: int
    ) -> None:
        for images in (first, second):
            if max(images.images.shape[1:]) > canvas:
                raise DataError(
                    f"images of {tuple(images.images.shape[1:])} do not fit a canvas of {canvas}; enlarge it"
                )
        self.first, self.second, self.pairs, self.canvas = first, second, pairs, canvas
        classes = first.classes[pairs[:, 0]], second.classes[pairs[:, 1]]
        self.labels = {name: label(*classes) for name, label in labels.items()}

    def __len__(self) -> int:
        return len(self.pairs)

    def compose(self, indices: Tensor) -> Tensor:
        """The canvases (N, 1, canvas, canvas) of these samples."""
        return torch.maximum(*self.layers(indices))

    def layers(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The same with the first images alone, and with the second ones alone."""
        one, two = self.pairs[indices].unbind(1)
        top_left = self.first.images[one].float() / self.first.white
        bottom_right = self.second.images[two].float() / self.second.white
        first, second = torch.zeros(2, len(indices), 1, self.canvas, self.canvas)
        first[:, 0, : top_left.shape[1], : top_left.shape[2]] = top_left
        second[:, 0, self.canvas - bottom_right.shape[1] :, self.canvas - bottom_right.shape[2] :] = bottom_right
        return first, second

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Samples of a batch at once, as torch's loaders ask for them: several times faster than one by one."""
        chosen = torch.as_tensor(indices)
        columns = {name: label[chosen].unbind() for name, label in self.labels.items()}
        rows = zip(*columns.values(), strict=True) if columns else [()] * len(chosen)
        return [
            (x, dict(zip(columns, row, strict=True)))
            for x, row in zip(self.compose(chosen).unbind(), rows, strict=True)
        ]
