"""Every example space loads without data, and with data its tasks, blocks and labels fit one another."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from toy_runs import call, refused

from mtnas.runs import Run
from mtnas.runs.measured import read_results
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace

ROOT = Path(__file__).parents[1]
BESIDE = ROOT.parent / "shared" / "data"
DATA_DIR = Path(os.environ["MTNAS_DATA"]) if os.environ.get("MTNAS_DATA") else BESIDE if BESIDE.is_dir() else None
FILES = sorted((ROOT / "search_spaces").glob("*.py"))
EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@EVERY_FILE
def test_space_files_load_without_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTNAS_DATA", raising=False)
    module = load(path)
    assert isinstance(module.space, SearchSpace) and callable(module.data)
    space = module.space.architectures
    assert len(space.tasks) >= 2 and space.tree_count > 2
    # Branching from the first block on: one network per task is in the space.
    assert space.split_depths[0] == 0


@EVERY_FILE
def test_space_files_fit_their_data(path: Path) -> None:
    if DATA_DIR is None and path.stem not in ("digits", "vit_digits"):
        pytest.skip("needs data files: name their directory in MTNAS_DATA")
    module = load(path)
    data, space = module.data(DATA_DIR), module.space
    assert isinstance(data, Data)
    x, labels = data.example()
    found = space.dry_run(x)
    space.describe(found)
    features = torch.randn(8, *found.shapes[-1][0])
    for task in space.tasks:
        output, label = task.head(found.shapes[-1][0])(features), task.label_of(labels)
        assert task.check(output, label) is None
        loss = task.loss_on(output, label)
        assert loss is not None and bool(loss.isfinite())
    assert set(labels) == {task.label or task.name for task in space.tasks}
    assert sum(len(y) for y in next(iter(data.test_batches()))[1].values()) > 0


@EVERY_FILE
def test_labels_follow_from_the_classes_that_are_seen(path: Path) -> None:
    """Where a space asks a fine and a coarse question about one thing, the fine answer decides the coarse one."""
    pairs = {
        "digits": [("left_digit", "left_even"), ("right_digit", "right_even")],
        "vit_digits": [("left_digit", "left_even"), ("right_digit", "right_even")],
        "multifashion": [("left_item", "left_group"), ("right_item", "right_group")],
        "mnist_fashion": [("digit", "even"), ("item", "group")],
    }
    if path.stem not in pairs:
        pytest.skip("asks no two questions about one thing")
    if DATA_DIR is None and path.stem not in ("digits", "vit_digits"):
        pytest.skip("needs data files: name their directory in MTNAS_DATA")
    batches = list(load(path).data(DATA_DIR).valid_batches())
    for fine, coarse in pairs[path.stem]:
        seen = {(int(a), int(b)) for _, labels in batches for a, b in zip(labels[fine], labels[coarse], strict=True)}
        assert len(seen) == len({a for a, _ in seen}) == 10
        assert 2 <= len({b for _, b in seen}) < 10


def test_scenes_show_what_their_labels_say() -> None:
    if DATA_DIR is None:
        pytest.skip("needs data files: name their directory in MTNAS_DATA")
    module = load(ROOT / "search_spaces" / "fashion_scene.py")
    valid = module.data(DATA_DIR).valid
    samples = valid.__getitems__([0, 5, 7])
    for index, (x, labels) in zip((0, 5, 7), samples, strict=True):
        alone, others = valid[index]
        assert torch.equal(x, alone) and all(torch.equal(labels[name], others[name]) for name in labels)
        canvas, seen = x[0], labels["seen"]
        left = labels["left_whole"][0] * module.DEVIATION + module.MEAN
        assert canvas[seen == module.LEFT].allclose(left[seen == module.LEFT], atol=1e-6)
        assert bool((canvas >= left - 1e-6).all()) and not canvas[seen == module.NOTHING].any()
        assert bool((canvas[seen == module.RIGHT] > left[seen == module.RIGHT]).all())
        assert {module.LEFT, module.RIGHT} <= set(seen.flatten().tolist())


def test_a_space_file_imports_what_lies_beside_it(tmp_path: Path) -> None:
    """As a script does, wherever the command is called; in workers, too, which are processes of their own."""
    text = (Path(__file__).parent / "toy_space.py").read_text(encoding="utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "toy_parts_of_mine.py").write_text(text, encoding="utf-8")
    path = tmp_path / "mine" / "a_space.py"
    path.write_text("from toy_parts_of_mine import *  # noqa: F403\n", encoding="utf-8")
    command = ["run", str(path), "--run", str(tmp_path / "run"), "-n", "12", "--epochs", "2", "--workers", "2"]
    done = subprocess.run([sys.executable, "-m", "mtnas", *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(read_results(Run(tmp_path / "run")).rows) == 12


def test_settings_under_a_name_that_is_not_read_are_refused(tmp_path: Path) -> None:
    content = (ROOT / "tests" / "toy_space.py").read_text()
    assert "\nsearching = " in content
    (tmp_path / "space.py").write_text(content.replace("\nsearching = ", "\nsearch = "))
    said = refused(call("check", tmp_path / "space.py"), "SearchSettings named search", "named searching", "rename")
    assert str(tmp_path / "space.py") in said
