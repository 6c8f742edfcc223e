"""Exported folders: the file does what the network does, says so truthfully, and runs without torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import toy_space
from toy_runs import TOY_FILE, call, refused, searched_run

from mtnas.architecture import Candidate, QuantizationPolicy
from mtnas.errors import ExportError
from mtnas.evaluation import extract, task_errors
from mtnas.runs import Run, read_results
from mtnas.supernet import BranchedNetwork
from mtnas.training import load_supernetwork

pytest.importorskip("onnxruntime")

from mtnas.cli.tables import print_bundle
from mtnas.exporting import Bundle, Origin, export
from mtnas.exporting.card import _table as markdown_table
from mtnas.exporting.snippet import SNIPPET
from mtnas.targets import OnnxRuntime
from mtnas.targets.contract import DESCRIBED

DATA = toy_space.data(None)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return searched_run(tmp_path / "run")


def pieces(run: Run) -> tuple[BranchedNetwork, Candidate]:
    row = read_results(run).rows[-1]
    return extract(load_supernetwork(toy_space.space, DATA, run, "cpu"), row.candidate, DATA), row.candidate


def written(run: Run, out: Path, int8: bool, *, weight_bits: int = 8, **more: Any) -> dict[str, Any]:
    network, candidate = pieces(run)
    if int8:
        policy = QuantizationPolicy.of(dict.fromkeys(network.places.values(), (weight_bits, 8)))
        candidate = Candidate(candidate.architecture, policy)
    costs = {"error/a": 0.5, "params": 12.0}
    return export(
        out, network, candidate, toy_space.space, DATA, read_results(run), Origin("inherited", 0, costs), **more
    ).about


@pytest.mark.parametrize("int8", [False, True])
def test_a_folder_tells_of_its_file(run: Run, tmp_path: Path, int8: bool) -> None:
    out = tmp_path / "out"
    about = written(run, out, int8)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "model.json", "model.onnx", "tree.png"]
    assert json.loads((out / "model.json").read_text()) == about
    assert about["costs"] == {"params": 12.0, "file_kib": (out / "model.onnx").stat().st_size / 1024}
    network, _ = pieces(run)
    errors = task_errors(network, toy_space.space.tasks, DATA.valid_batches())
    assert about["errors"].keys() == errors.keys()
    if not int8:
        assert about["errors"] == pytest.approx(errors, rel=1e-4)
    assert bool(about["integer_operators"]) == bool(about["policy"]) == int8
    assert len(about["policy"]) == (len(network.places) if int8 else 0)
    card = (out / "README.md").read_text()
    assert about["id"] in card and all(f"| {task} |" in card for task in errors)
    assert (out / "tree.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("in_integers", "words"), [(False, "by the float network"), (True, "with the roundings of its")]
)
def test_the_card_says_whose_the_test_errors_are(run: Run, tmp_path: Path, in_integers: bool, words: str) -> None:
    network, candidate = pieces(run)
    origin = Origin("fine-tuned", 0, test_errors={"quadrant": 0.25}, tested_in_integers=in_integers)
    export(tmp_path / "out", network, candidate, toy_space.space, DATA, read_results(run), origin)
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"measured once, {words}" in card and "| quadrant | 0.25 |" in card


def test_a_difference_from_torch_is_an_error_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"outputs differ from torch's by .* more than 0;"):
        written(run, tmp_path / "out", False, tolerance=0.0)
    assert not (tmp_path / "out").exists()


def test_integers_that_differ_from_their_simulation_are_an_error(run: Run, tmp_path: Path) -> None:
    about = written(run, tmp_path / "one", True)
    assert about["checked_integer"]["mean_difference"] < 1e-3
    with pytest.raises(ExportError, match=r"integer file's outputs differ from their simulation .* more than -1;"):
        written(run, tmp_path / "two", True, integer_tolerance=-1.0)
    assert not (tmp_path / "two").exists()


def test_a_folder_of_something_else_is_left_alone(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    about = written(run, out, False)
    assert written(run, out, False) == about  # the same again replaces it
    with pytest.raises(ExportError, match=rf"holds {about['id']} already; choose another --out"):
        written(run, out, True)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"holds notes\.txt already"):
        written(run, out, False)


@pytest.mark.parametrize("name", ["README.md", "model.onnx", "tree.png"])
def test_a_file_of_ones_own_with_a_name_of_an_exports_is_left_alone(run: Run, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(ExportError, match=rf"holds {re.escape(name)} already; choose another --out"):
        written(run, out, False)
    assert (out / name).read_text() == "mine" and len(list(out.iterdir())) == 1
    with pytest.raises(ExportError, match=rf"{re.escape(name)} is a file, but an export needs a folder"):
        written(run, out / name, False)


def test_brackets_in_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    about = {
        "id": "0123456789",
        "weights": "inherited",
        "errors": {"[/depth]": 0.00002345},
        "checked": {"largest_difference": 1e-7, "samples": 10},
        "latency": [],
        "policy": [],
        "costs": {"file_kib": 3.0},
        "in_float": None,
    }
    print_bundle(Bundle(Path("out[/1]"), about))
    shown = capsys.readouterr().out
    assert "[/depth]" in shown and "2.35e-05" in shown and "wrote out[/1]: model.onnx (3.0 KiB)" in shown


def test_a_target_need_not_name_its_hardware(run: Run, tmp_path: Path) -> None:
    class Plain(OnnxRuntime):
        def describe(self) -> dict[str, Any]:
            return {name: value for name, value in super().describe().items() if name in DESCRIBED}

    written(run, tmp_path / "out", False, targets=[Plain()])
    assert " ms on cpu (onnxruntime" in (tmp_path / "out" / "README.md").read_text()


def test_a_line_in_a_name_ends_no_cell_of_a_card() -> None:
    assert markdown_table(("task", "error"), [("a|b", 0.5)]).splitlines()[-1] == "| a\\|b | 0.5 |"


# Without torch ----------------------------------------------------------------------------------------------------


@cache
def bare_python() -> str | None:
    """Python of a new virtual environment that holds onnxruntime and what it needs, and neither torch nor mtnas."""
    import tempfile

    import onnxruntime

    site = Path(onnxruntime.__file__).parent.parent
    folder = Path(tempfile.mkdtemp(prefix="bare_"))
    venv.create(folder, symlinks=True)
    own = next(folder.glob("lib/python*/site-packages"))
    for name in ("numpy", "numpy.libs", "onnxruntime", "google", "flatbuffers", "packaging"):
        if (site / name).exists():
            (own / name).symlink_to(site / name)
    return str(folder / "bin" / "python")


@pytest.mark.parametrize("weight_bits", [None, 8, 4])
def test_the_cards_snippet_runs_without_torch(run: Run, tmp_path: Path, weight_bits: int | None) -> None:
    out = tmp_path / "out"
    about = written(run, out, weight_bits is not None, weight_bits=weight_bits or 8)
    shown = re.search(r"```python\n(.*?)```", (out / "README.md").read_text(), re.DOTALL)
    assert shown is not None and shown[1] == SNIPPET
    assert len([line for line in SNIPPET.splitlines() if line.strip()]) <= 15
    script = f"{shown[1]}\nimport importlib.util as u\nassert not u.find_spec('torch') and not u.find_spec('mtnas')\n"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(bare_python()), "-c", script], cwd=out, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == about["tasks"]
    assert sys.prefix not in done.stdout


# Command ----------------------------------------------------------------------------------------------------------


def test_the_command_takes_refined_weights_where_there_are_any(run: Run, tmp_path: Path) -> None:
    row = read_results(run).rows[-1]
    found = call("export", run.path, "--candidate", row.id, "--out", tmp_path / "one", "--space", TOY_FILE)
    assert found.code == 0, found.err
    assert json.loads((tmp_path / "one" / "model.json").read_text())["weights"] == "inherited from the supernetwork"
    call("refine", run.path, "-c", row.id, "--epochs", "1", "--no-baselines", "--space", TOY_FILE)
    call("export", run.path, "--candidate", row.id, "--out", tmp_path / "two", "--int8", "--space", TOY_FILE)
    about = json.loads((tmp_path / "two" / "model.json").read_text())
    assert about["weights"] == "fine-tuned" and about["policy"] and about["test_errors"]
    assert not about["tested_in_integers"] and "by the float network" in (tmp_path / "two" / "README.md").read_text()
    assert {one["weights"] for one in about["policy"]} == {OnnxRuntime().integers[0]}
    for bits in (4, 7, 8):
        out = tmp_path / f"weights of {bits} bits"
        call("export", run.path, "--candidate", row.id, "--out", out, "--int8", "--weight-bits", str(bits))
        about = json.loads((out / "model.json").read_text())
        assert {(one["weights"], one["activations"]) for one in about["policy"]} == {(bits, 8)}
        assert ("weights of 4 bits being two in a byte" in (out / "README.md").read_text()) == (bits == 4)
    refused(
        call("export", run.path, "-c", row.id, "--out", tmp_path / "no", "--int8", "--weight-bits", "5"),
        "--weight-bits 5: weights in integers have 8, 7, 4 bits",
    )
    call("export", run.path, "--candidate", row.id, "--out", tmp_path / "three", "--weights", "inherited")
    assert json.loads((tmp_path / "three" / "model.json").read_text())["weights"].startswith("inherited")


def test_weights_that_are_not_there_are_named(run: Run, tmp_path: Path) -> None:
    arguments = ("export", run.path, "--candidate", "#1", "--out", tmp_path / "out", "--weights")
    refused(call(*arguments, "from-scratch"), "has no from-scratch weights", "mtnas refine")
    refused(call(*arguments, "fine-tune"), "fine-tune", "did you mean 'fine-tuned'")
    assert not (tmp_path / "out").exists()
