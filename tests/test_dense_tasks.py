"""Tasks that answer for every pixel, from the training to the exported file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mtnas.architecture import Candidate, QuantizationPolicy
from mtnas.evaluation import extract, task_errors
from mtnas.refining import RefineSettings, refine
from mtnas.results import Results
from mtnas.runs import Run
from mtnas.searching import SearchSettings, search
from mtnas.space.data import Data
from mtnas.space.heads import linear_head, pixel_head
from mtnas.space.operators import conv_blocks
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification, pixel_classification, pixel_regression
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train

SIDE = 12

SPACE = SearchSpace(
    tasks=[
        classification("half", 2, head=linear_head(2, pool=3)),
        pixel_classification("spot", 2, head=pixel_head(2, size=(SIDE, SIDE)), missing=255),
        pixel_regression("height", head=pixel_head(1, size=(SIDE, SIDE))),
    ],
    blocks=conv_blocks((8, 8, 12), strides=(2, 1, 1)),
)


class Hills(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """A hill on a noisy plane: in which half it is, which pixels are on it, and how high each of them lies, in metres.

    Nobody looked at the first row of pixels of some samples.
    """

    def __init__(self, size: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        rows, columns = (torch.randint(2, SIDE - 2, (size, 1, 1), generator=draw) for _ in range(2))
        away = (torch.arange(SIDE).view(1, -1, 1) - rows) ** 2 + (torch.arange(SIDE).view(1, 1, -1) - columns) ** 2
        self.height = 40 * torch.exp(-away / 6).unsqueeze(1)
        self.half = (columns.flatten() >= SIDE // 2).long()
        self.spot = (self.height.squeeze(1) > 10).long()
        self.spot[::3, 0], self.height[::3, :, 0] = 255, torch.nan
        self.x = self.height.nan_to_num(0) / 40 + 0.1 * torch.randn(size, 1, SIDE, SIDE, generator=draw)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        labels = {"half": self.half[index], "spot": self.spot[index], "height": self.height[index]}
        return self.x[index], labels


@cache
def data() -> Data:
    return Data(Hills(320, 0), Hills(80, 1), Hills(80, 2), batch_size=40)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("dense") / "run")


@pytest.fixture(scope="module")
def supernet(run: Run) -> SuperNetwork:
    settings = TrainingSettings(epochs=6, threads=1, device="cpu")
    return train(SPACE, data(), run, settings, show_progress=False)


@pytest.fixture(scope="module")
def results(run: Run, supernet: SuperNetwork) -> Results:
    settings = SearchSettings(16, objectives=("error/mean", "macs"), threads=1, device="cpu")
    return search(SPACE, data(), run, settings, supernet=supernet, show_progress=False)


def test_a_search_judges_them_in_their_own_units(results: Results) -> None:
    assert len(results.rows) == 16
    for row in results.rows:
        assert 0 <= row.costs["error/half"] <= 1 and 0 <= row.costs["error/spot"] <= 1
        assert 1 < row.costs["error/height"] < 40  # metres


def test_they_are_refined_and_measured_once(run: Run, results: Results) -> None:
    best = results.best("error/mean").candidate
    settings = RefineSettings(epochs=2, threads=1, device="cpu")
    found = refine(SPACE, data(), run, [best], settings, show_progress=False)
    (row,) = [row for row in found.rows if row.candidate == best]
    assert set(row.test) == {"half", "spot", "height"} and all(np.isfinite(list(row.test.values())))


def test_the_integer_file_answers_for_every_pixel_as_its_simulation_does(
    supernet: SuperNetwork, results: Results, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from mtnas.exporting import Origin, export

    best = results.best("error/mean")
    network = extract(supernet, best.candidate, data())
    policy = QuantizationPolicy.of(dict.fromkeys(network.places.values(), (8, 8)))
    candidate = Candidate(best.candidate.architecture, policy)
    about = export(
        tmp_path / "out", network, candidate, SPACE, data(), results, Origin("inherited", 0, dict(best.costs))
    ).about
    assert about["integer_operators"] and about["checked_integer"]["mean_difference"] < 1e-2
    x = torch.stack([data().valid[index][0] for index in range(3)])  # type: ignore[index]
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    outputs = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    shapes = dict(zip(about["tasks"], (output.shape for output in outputs), strict=True))
    assert shapes == {"half": (3, 2), "spot": (3, 2, SIDE, SIDE), "height": (3, 1, SIDE, SIDE)}
    in_float = task_errors(network, SPACE.tasks, data().valid_batches())
    assert about["errors"] == pytest.approx(in_float, rel=0.25, abs=0.05)
