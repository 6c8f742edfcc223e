"""A run directory keeps what it has, belongs to one process at a time, and never runs code of its own."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from toy_runs import TOY_FILE, call, contents, refused, searched_run, trained_run

from mtnas.errors import MtnasError, RunError
from mtnas.runs import Manifest, Run, load_checkpoint, save_checkpoint, write_atomic, write_text
from mtnas.runs.manifest import first_difference
from mtnas.searching import read_results

# Atomic files ----------------------------------------------------------------------------------------------------


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half of the new")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, fail)
    assert contents(tmp_path) == {"notes.txt": b"old"}


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "notes.txt"

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        assert not path.exists() and temporary.parent == path.parent
        temporary.write_text("whole")

    write_atomic(path, write)
    assert contents(tmp_path) == {"folder/notes.txt": b"whole"}


def test_files_of_a_run_have_the_usual_permissions(tmp_path: Path) -> None:
    usual, written = tmp_path / "usual.txt", tmp_path / "written.txt"
    usual.write_text("")
    write_text(written, "")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


# Manifest --------------------------------------------------------------------------------------------------------


def test_a_section_is_claimed_once_and_compared_ever_after(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "manifest.json")
    section = {"epochs": 3, "rates": [0.1, 0.2], "names": ("a", "b")}
    manifest.claim("training", section)
    before = contents(tmp_path)
    manifest.claim("training", section)
    Manifest(manifest.path).claim("training", json.loads(json.dumps(section)))
    with pytest.raises(RunError, match=r"has training\.rates\[1\] = 0\.2, but now it is 0\.3"):
        manifest.claim("training", {**section, "rates": [0.1, 0.3]})
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("new", "where"),
    [
        ({"a": 1, "b": {"c": [1, 2]}, "d": 4}, "x.d"),
        ({"a": 1}, "x.b"),
        ({"a": 1, "b": {"c": [1, 3]}}, "x.b.c[1]"),
        ({"a": 1, "b": {"c": [1, 2, 3]}}, "x.b.c"),
        ({"a": 1, "b": None}, "x.b"),
        ({"a": "1", "b": {"c": [1, 2]}}, "x.a"),
        ([], "x"),
    ],
)
def test_the_first_difference_names_the_field(new: Any, where: str) -> None:
    found = first_difference({"a": 1, "b": {"c": [1, 2]}}, new, "x")
    assert found is not None and found[0] == where


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES, JSON_VALUES)
def test_values_differ_somewhere_unless_they_are_equal(old: Any, new: Any) -> None:
    assert first_difference(old, deepcopy(old), "x") is None
    found = first_difference(old, new, "x")
    assert (found is None) == (old == new)
    if found is not None:
        where, was, now = found
        assert where.startswith("x") and was != now


GOOD_MANIFEST = json.dumps({"format": 1, "run": {"seed": 4, "created": "today", "versions": {}}})


@pytest.mark.parametrize(
    "text",
    [
        *(GOOD_MANIFEST[:length] for length in range(0, len(GOOD_MANIFEST), 5)),
        "not JSON",
        "\x00" * 40,
        "[]",
        "3",
        "{}",
        '{"format": 2, "run": {"seed": 4}}',
        '{"format": "1", "run": {"seed": 4}}',
        '{"format": 1}',
        '{"format": 1, "run": null}',
        '{"format": 1, "run": []}',
        '{"format": 1, "run": 4}',
        '{"format": 1, "run": {}}',
        '{"format": 1, "run": {"seed": "4"}}',
        '{"format": 1, "run": {"seed": 0.5}}',
    ],
)
def test_a_damaged_manifest_is_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    before = contents(tmp_path)
    with pytest.raises(RunError, match="manifest") as caught:
        Run(tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    assert contents(tmp_path) == before


def test_a_manifest_of_odd_bytes_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(GOOD_MANIFEST.encode()[:-3] + b"\xff\xfe}}")
    with pytest.raises(RunError, match="damaged"):
        Run(tmp_path)


@pytest.mark.parametrize("section", ["space", "search", "study", "reference"])
def test_damaged_sections_are_a_sentence(section: str, tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    good = json.loads(run.manifest.path.read_text())
    for value in (None, 5, [], {}, "text", {"name": 5}, {"objectives": 5}, {"architectures": {}}):
        run.manifest.path.write_text(json.dumps({**good, section: value}))
        before = contents(run.path)
        with pytest.raises(MtnasError) as caught:
            read_results(Run(run.path)).hypervolume()
        assert "\n" not in str(caught.value)
        assert contents(run.path) == before


# Checkpoints -----------------------------------------------------------------------------------------------------

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree bit by bit, NaN included."""
    bits = [tensor.contiguous().reshape(-1).view(torch.uint8) if tensor.numel() else tensor for tensor in (one, other)]
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(*bits)


def tensors_of(dtype: torch.dtype) -> dict[str, Tensor]:
    values = torch.arange(12).reshape(3, 4)
    return {
        "matrix": values.to(dtype),
        "turned": values.to(dtype).T,
        "every other": values.to(dtype)[:, ::2],
        "number": torch.tensor(1).to(dtype),
        "nothing": torch.empty(0).to(dtype),
        "no rows": torch.empty(3, 0, 2).to(dtype),
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_of_every_type_come_back_bit_by_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    tensors, note = tensors_of(dtype), {"epoch": 3, "text": "ü\n", "deep": [{"a": None}, 0.1]}
    save_checkpoint(path, tensors, note)
    found, noted = load_checkpoint(path)
    assert noted == note and found.keys() == tensors.keys()
    assert all(same(found[name], tensor) for name, tensor in tensors.items())


def test_numbers_that_are_not_finite_come_back(tmp_path: Path) -> None:
    tensors = {"odd": torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0])}
    save_checkpoint(tmp_path / "c", tensors, {})
    assert same(load_checkpoint(tmp_path / "c")[0]["odd"], tensors["odd"])


def test_tensors_that_share_memory_come_back(tmp_path: Path) -> None:
    """Tied weights appear twice in a module's state."""
    weight = torch.randn(4, 3)
    tensors = {"encoder": weight, "decoder": weight, "part": weight[1:]}
    save_checkpoint(tmp_path / "c", tensors, {})
    found = load_checkpoint(tmp_path / "c")[0]
    assert found.keys() == tensors.keys()
    assert all(same(found[name], tensor) for name, tensor in tensors.items())


def test_equal_checkpoints_are_equal_files(tmp_path: Path) -> None:
    paths = [tmp_path / str(index) for index in range(12)]
    for path in paths:
        save_checkpoint(path, {"b": torch.ones(2), "a": torch.zeros(3)}, {"epoch": 1, "history": []})
    assert len({path.read_bytes() for path in paths}) == 1


def test_parameters_that_require_gradients_can_be_saved(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    save_checkpoint(tmp_path / "c", {"weight": weight}, {})
    found = load_checkpoint(tmp_path / "c")[0]["weight"]
    assert not found.requires_grad and torch.equal(found, torch.ones(2))


@pytest.fixture(scope="module")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "c"
    save_checkpoint(path, {"a": torch.arange(4.0), "b": torch.tensor([1, 2], dtype=torch.int16)}, {"epoch": 2})
    return path.read_bytes()


def test_a_truncated_checkpoint_is_refused_at_every_length(small_checkpoint: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    for length in range(len(small_checkpoint)):
        path.write_bytes(small_checkpoint[:length])
        with pytest.raises(RunError, match="damaged"):
            load_checkpoint(path)
    path.write_bytes(small_checkpoint + b"\0")
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("flip", [0x01, 0x10, 0x80, 0xFF])
def test_no_flipped_byte_of_a_checkpoint_goes_unseen(flip: int, small_checkpoint: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(small_checkpoint)
    tensors, note = load_checkpoint(path)
    refusals = []
    for place in range(len(small_checkpoint)):
        damaged = bytearray(small_checkpoint)
        damaged[place] ^= flip
        path.write_bytes(damaged)
        try:
            found, noted = load_checkpoint(path)
        except RunError as error:
            refusals.append(str(error))
        else:  # only a byte that means nothing, such as the padding between header and numbers
            assert noted == note and found.keys() == tensors.keys()
            assert all(same(found[name], tensor) for name, tensor in tensors.items())
    assert len(refusals) > 0.9 * len(small_checkpoint)
    assert all("damaged" in text and "\n" not in text for text in refusals)


def test_an_absent_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "c")


# Whose directory it is -------------------------------------------------------------------------------------------


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / ".notes.tmp").write_text("hidden")
    before = contents(tmp_path)
    with pytest.raises(RunError, match="not a run"):
        Run(tmp_path)
    refused(call("run", TOY_FILE, "--run", tmp_path), "not a run")
    assert contents(tmp_path) == before


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("text")
    with pytest.raises(RunError, match="is a file"):
        Run(tmp_path / "run")


def test_naming_a_run_makes_nothing(tmp_path: Path) -> None:
    assert Run(tmp_path / "run").seed == 0
    assert not (tmp_path / "run").exists()


def test_another_seed_is_refused_with_both(tmp_path: Path) -> None:
    with Run(tmp_path / "run", 5).hold():
        pass
    assert Run(tmp_path / "run").seed == Run(tmp_path / "run", 5).seed == 5
    with pytest.raises(RunError, match=r"seed = 5, but now it is 6"):
        Run(tmp_path / "run", 6)


def test_another_seed_is_refused_even_if_the_run_was_made_since(tmp_path: Path) -> None:
    late = Run(tmp_path / "run", 6)
    with Run(tmp_path / "run", 5).hold():
        pass
    with pytest.raises(RunError, match="seed"), late.hold():
        pass


def test_other_settings_space_and_data_are_refused_by_field(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    before = contents(run.path)
    refused(call("train", TOY_FILE, "--run", run.path, "--epochs", "5"), "training.epochs = 3, but now it is 5")
    text = TOY_FILE.read_text()
    changes = {
        "data.valid": text.replace("Numbers(200, 60)", "Numbers(201, 59)"),
        "space.modules.first.plain": text.replace("nn.BatchNorm1d(WIDTH), nn.ReLU()", "nn.BatchNorm1d(WIDTH)"),
        "space.errors.quadrant": text.replace("error=SlowRate", "error=SlowRate.__mro__[1]"),
    }
    for field, changed in changes.items():
        assert changed != text
        (tmp_path / "other_space.py").write_text(changed)
        refused(call("train", tmp_path / "other_space.py", "--run", run.path), field)
    assert contents(run.path) == before


# One process at a time -------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from mtnas.runs import Run, write_atomic
run = Run(sys.argv[1])
def write(temporary):
    temporary.write_text("half")
    print("held", flush=True)
    time.sleep(60)
with run.hold(), run.hold():
    run.write_text("notes.txt", "old")
    write_atomic(run.path / "notes.txt", write)
"""


def test_a_run_belongs_to_one_process_until_that_is_killed(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(run.path)], text=True, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another process is working on the run"), run.hold():
            pass
        half_written = [path for path in run.path.iterdir() if ".tmp" in path.name]
        assert len(half_written) == 1  # and it is not swept while its writer lives
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
    with run.hold():
        assert (run.path / "notes.txt").read_text() == "old"
        assert sorted(contents(run.path)) == ["manifest.json", "notes.txt"]


def test_a_held_run_may_be_held_again(tmp_path: Path) -> None:
    run, other = Run(tmp_path / "run"), Run(tmp_path / "run")
    with run.hold():
        with run.hold():
            pass
        with pytest.raises(RunError, match="another process"), other.hold():
            pass
    with other.hold():
        pass


def test_a_run_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(ZeroDivisionError), run.hold(), run.hold():
        raise ZeroDivisionError
    with Run(tmp_path / "run").hold():
        pass


def test_a_run_that_cannot_be_held_is_let_go(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    with run.hold():
        pass
    good = run.manifest.path.read_text()
    run.manifest.path.write_text("damaged")
    with pytest.raises(RunError, match="damaged"), run.hold():
        pass
    run.manifest.path.write_text(good)
    with Run(tmp_path / "run").hold():
        pass


# Space files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_space.py"
    path.write_text("first = 1\n")
    return path


@pytest.fixture
def run(tmp_path: Path, space_file: Path) -> Run:
    run = Run(tmp_path / "run")
    with run.hold():
        run.keep_space_file(space_file)
    return run


def test_a_changed_space_file_keeps_the_earlier_copy(run: Run, space_file: Path) -> None:
    assert run.space_file.read_text() == "first = 1\n"
    for text in ("second = 2\n", "second = 2\n", "third = 3\n"):
        space_file.write_text(text)
        run.keep_space_file(space_file)
        assert run.space_file.read_text() == text and run.find_space_file() == space_file
    kept = sorted(path.read_text() for path in run.path.glob("space*.py"))
    assert kept == ["first = 1\n", "second = 2\n", "third = 3\n"]


def test_a_changed_or_missing_space_file_is_not_run(run: Run, space_file: Path) -> None:
    space_file.write_text("first = 2\n")
    with pytest.raises(RunError, match=r"has changed since.*--space .*space\.py"):
        run.find_space_file()
    space_file.unlink()
    with pytest.raises(RunError, match=r"no longer at .*--space .*space\.py"):
        run.find_space_file()


@pytest.mark.parametrize("where", ["space.py", "folder/../space.py", "../run/space.py"])
def test_a_space_file_inside_the_run_is_not_run_by_itself(where: str, run: Run) -> None:
    (run.path / "folder").mkdir()
    section = run.manifest.section("space_file")
    run.manifest.write("space_file", {**section, "path": str(run.path / where)})
    with pytest.raises(RunError, match="inside itself"):
        run.find_space_file()


def test_a_link_into_the_run_is_not_run_by_itself(run: Run, tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(run.space_file)
    run.manifest.write("space_file", {**run.manifest.section("space_file"), "path": str(link)})
    with pytest.raises(RunError, match="inside itself"):
        run.find_space_file()


@pytest.mark.parametrize("value", [{}, {"path": "x"}, {"sha256": "x"}, 5, None])
def test_a_run_without_a_known_space_file_says_so(value: Any, run: Run) -> None:
    run.manifest.write("space_file", value)
    with pytest.raises(RunError, match="space_file"):
        run.find_space_file()


def test_the_copy_in_the_run_can_be_named_and_stays_as_it_is(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    before = contents(run.path)
    run.keep_space_file(run.space_file)
    assert contents(run.path) == before
    assert call("search", run.path, "--space", run.space_file, "--evaluations", "5").code == 0
    assert len(read_results(Run(run.path)).rows) == 5


def tamper(run: Run, marker: Path) -> None:
    """Code that leaves a marker, wherever a careless reader of the directory might run it."""
    code = f"open({str(marker)!r}, 'w').close()\n"
    for name in ("space.py", "sitecustomize.py", "conftest.py", "torch.py", "optuna.py"):
        (run.path / name).write_text(code)
    section = run.manifest.section("space_file")
    run.manifest.write("space_file", {**section, "path": str(run.space_file)})


COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "show": lambda path: ["show", str(path)],
    "plot": lambda path: ["plot", str(path)],
    "search": lambda path: ["search", str(path)],
    "extract": lambda path: ["extract", str(path), "--candidate", "#0", "--out", str(path.parent / "out")],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_opening_a_run_executes_no_code_from_it(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, marker = searched_run(tmp_path / "run"), tmp_path / "marker"
    tamper(run, marker)
    monkeypatch.chdir(run.path)
    outcome = call(*COMMANDS[command](run.path))
    assert not marker.exists()
    if command in ("search", "extract"):
        refused(outcome, "inside itself")
    else:
        assert outcome.code == 0 and outcome.err == ""


def test_a_run_holds_no_pickles(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    assert {path.suffix for path in run.path.iterdir() if path.name[0] != "."} <= {
        ".json",
        ".py",
        ".safetensors",
        ".db",
        ".csv",
    }
    assert not any(os.access(path, os.X_OK) for path in run.path.iterdir())
