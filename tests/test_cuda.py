"""Everything that computes on a GPU, against the same on the CPU."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_joint_search
import test_together
import test_training_options
import torch
import toy_space
from test_training_options import OPTIONS, SETTINGS, SPACE, stop_after
from toy_runs import TOY_FILE, call, searched_run, supernet, trained_run
from toys import toy_data

from benchmarks.realdata.case import some
from mtnas.architecture import QuantizationPolicy
from mtnas.branching import measure_affinities
from mtnas.evaluation import CandidateErrors
from mtnas.latency import LATENCY
from mtnas.pools import Pool, Processes, RayPool
from mtnas.runs import Run, read_results
from mtnas.searching import search, verify
from mtnas.space.file import load_space_file
from mtnas.space.shapes import to_device
from mtnas.supernet import SuperNetwork
from mtnas.targets import MeasureSettings, TorchEager, measure
from mtnas.targets.clock import CudaClock
from mtnas.training import load_supernetwork, train
from mtnas.training.weighting import UncertaintyWeighting

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and `make test-cuda`"),
]

DATA = toy_space.data(None)
CUDA = torch.device("cuda")


def on_cuda(network: SuperNetwork) -> SuperNetwork:
    return copy.deepcopy(network).to(CUDA)


# Training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_training_goes_on_with_the_other_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Trained on CUDA, interrupted, gone on with on the CPU, loaded on either."""
    how = replace(SETTINGS, **options)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        test_training_options.trained(tmp_path / "run", replace(how, device="cuda"))
    test_training_options.trained(tmp_path / "run", how)
    test_training_options.trained(tmp_path / "cuda", replace(how, device="cuda"))
    for device in ("cpu", "cuda"):
        loaded = load_supernetwork(SPACE, toy_data(), Run(tmp_path / "cuda"), device)
        assert {weight.device.type for weight in loaded.parameters()} == {device}


def test_a_training_takes_the_steps_of_the_cpu(tmp_path: Path) -> None:
    """Without batch norms and dropout rounding moves little in so few steps."""
    for device in ("cpu", "cuda"):
        test_together.trained(tmp_path / device, None, replace(test_together.HOW, device=device))
    weights = [load_supernetwork(test_together.SPACE, DATA, Run(tmp_path / name), "cpu") for name in ("cpu", "cuda")]
    assert test_together.far(*weights) < 1e-4


@pytest.mark.parametrize(
    "pool", [Processes(1), Processes(2), RayPool(workers=2, gpus=0.5)], ids=["nccl", "gloo", "ray"]
)
def test_processes_train_together(tmp_path: Path, pool: Pool) -> None:
    """Each with a GPU of its own if there are as many, else sharing one."""
    how = replace(test_together.HOW, weighting=UncertaintyWeighting(), ema_decay=0.9, device="cuda")
    alone = test_together.trained(tmp_path / "alone", None, how)
    together = test_together.trained(tmp_path / "together", pool, how)
    assert test_together.far(alone.cpu(), together.cpu()) < 1e-4


def test_a_compiled_training_is_a_training(tmp_path: Path) -> None:
    how = replace(test_together.HOW, device="cuda")
    plain = test_together.trained(tmp_path / "plain", None, how)
    fast = test_together.trained(tmp_path / "fast", None, replace(how, compile=True))
    assert test_together.far(plain.cpu(), fast.cpu()) < 1e-3


def test_convolutions_of_images_in_bfloat16(tmp_path: Path) -> None:
    """Data that is channels last for the CPU is not so on CUDA."""
    file = load_space_file(Path("search_spaces/digits.py"))
    data = some(file.module.data(None), train=400, held=100)
    x = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert to_device({"image": x}, CUDA)["image"].is_contiguous() and data.channels_last
    settings = replace(file.module.training, epochs=6, device="cuda", precision="bfloat16")
    network = train(file.space, data, Run(tmp_path / "run", 0), settings, show_progress=False)
    assert all(bool(weight.isfinite().all()) for weight in network.parameters())


# Judging ---------------------------------------------------------------------------------------------------------


def test_errors_are_those_of_the_cpu(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    here, there = CandidateErrors(supernet(), DATA), CandidateErrors(on_cuda(supernet()), DATA)
    for row in read_results(run).rows:
        assert there(row.candidate) == pytest.approx(here(row.candidate), abs=0.01)  # one sample of 100 may flip


def test_affinities_are_those_of_the_cpu() -> None:
    here, there = (measure_affinities(network, DATA) for network in (copy.deepcopy(supernet()), on_cuda(supernet())))
    for name in ("cost", "noise"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), abs=1e-3)


@pytest.mark.parametrize("pool", [Processes(2), RayPool(workers=4, gpus=0.25)], ids=["processes", "ray"])
def test_workers_share_the_gpu(tmp_path: Path, pool: Pool) -> None:
    run = trained_run(tmp_path / "run")
    settings = replace(toy_space.searching, evaluations=20, device="cuda")
    results = search(toy_space.space, DATA, run, settings, pool=pool, show_progress=False)
    assert len({row.candidate for row in results.rows}) == 20
    assert max(one.difference for one in verify(toy_space.space, DATA, run, device="cuda")) < 1e-6
    assert max(one.difference for one in verify(toy_space.space, DATA, run, device="cpu")) < 0.01


def test_bits_are_searched(tmp_path: Path) -> None:
    """Errors of integers on the GPU, latencies by onnxruntime on the CPU."""
    run = trained_run(tmp_path / "run")
    results = test_joint_search.searched(run, replace(test_joint_search.JOINT, device="cuda"))
    assert any(row.candidate.policy.nodes for row in results.rows)
    assert max(one.difference for one in verify(toy_space.space, DATA, run, device="cpu")) < 0.02


# Latency ---------------------------------------------------------------------------------------------------------


class Deep(torch.nn.Module):
    """So many layers that its time is not the noise of a single launch."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(*(torch.nn.Linear(64, 64) for _ in range(layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("compiled", [False, True])
def test_latency_grows_with_the_network(compiled: bool) -> None:
    target = TorchEager(device="cuda", compile=compiled)
    clock = target.clock()
    assert isinstance(clock, CudaClock)
    assert target.describe()["hardware"] == torch.cuda.get_device_name()
    x = torch.randn(1, 64)
    networks = {str(n): target.prepare(Deep(n), QuantizationPolicy(), x) for n in (4, 64)}
    times = measure(networks, None, MeasureSettings(rounds=8), clock)
    assert 0 < times["4"].ms * 2 < times["64"].ms


def test_a_search_measures_on_the_gpu(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    quick = MeasureSettings(rounds=4)
    settings = replace(
        toy_space.searching,
        objectives=("error/mean", LATENCY),
        target=TorchEager(device="cuda"),
        measuring=quick,
        confirming=quick,
        device="cuda",
    )
    results = search(toy_space.space, DATA, run, settings, show_progress=False)
    assert all(row.costs[LATENCY] > 0 for row in results.rows)


# The command -----------------------------------------------------------------------------------------------------


def test_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "run"
    commands: list[list[str | Path]] = [
        ["run", TOY_FILE, "--run", path, "--device", "cuda"],
        ["refine", path, "--top", "1", "--epochs", "2", "--device", "cuda"],
        ["export", path, "-c", "#0", "--out", tmp_path / "out"],
        ["verify", path, "--device", "cuda"],
    ]
    for words in commands:
        done = call(*words)
        assert done.code == 0, done.err
    assert (tmp_path / "out").is_dir()
