"""Ranges of activations, gathered once for a network and used for all of its policies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mtnas.errors import ExportError
from mtnas.onnx_graphs.graph import FOLLOWERS, LINEAR, FloatGraph, input_name
from mtnas.onnx_graphs.packages import onnxruntime
from mtnas.space.shapes import Input


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest value of every activation that a policy may quantize.

    Attributes:
        digest: of the float graph that they belong to.
        tensors: as onnxruntime keeps them.
    """

    digest: str
    tensors: Any


def calibrate(graph: FloatGraph, batches: Iterable[Input]) -> Ranges:
    """Run real inputs through the float network. The more of them, the wider the ranges.

    Args:
        graph: of a network whose batch-norm statistics are final.
        batches: inputs that neither train nor judge the network.
    """
    onnxruntime()
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    feeds = (feeds_of(graph, batch) for batch in batches)
    first = next(feeds, None)
    if first is None:
        raise ExportError("there are no samples to calibrate on; give at least one batch of calibration inputs")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        path.write_bytes(graph.content)
        calibrator = create_calibrator(
            path,
            op_types_to_calibrate=[*LINEAR, *FOLLOWERS],
            augmented_model_path=str(Path(folder) / "watched.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Feeds(chain([first], feeds)))
        return Ranges(graph.digest, calibrator.compute_data())


def feeds_of(graph: FloatGraph, batch: Input) -> dict[str, NDArray[np.generic]]:
    """A batch as onnxruntime takes it, by the names of the inputs."""
    tensors: Mapping[str, Tensor] = batch if isinstance(batch, Mapping) else {graph.inputs[0]: batch}
    return {
        input_name(name, graph.outputs): tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()
    }


class _Feeds:
    """Batches in the manner of onnxruntime's `CalibrationDataReader`."""

    def __init__(self, feeds: Iterator[dict[str, NDArray[np.generic]]]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        return next(self._feeds, None)
