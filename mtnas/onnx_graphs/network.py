"""A file that is run in place of a torch network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mtnas.onnx_graphs.calibrate import feeds_of
from mtnas.onnx_graphs.graph import FloatGraph
from mtnas.space.shapes import Input


class SessionNetwork(nn.Module):
    """``forward(x) -> {task name: output}`` by onnxruntime, so that whatever judges networks can judge files.

    Args:
        graph: names the inputs and outputs.
        session: of a file with these.
    """

    def __init__(self, graph: FloatGraph, session: Any) -> None:
        super().__init__()
        self.graph, self.session = graph, session

    def forward(self, x: Input) -> dict[str, Tensor]:
        found = self.session.run(list(self.graph.outputs), feeds_of(self.graph, x))
        return {name: torch.from_numpy(value) for name, value in zip(self.graph.outputs, found, strict=True)}
