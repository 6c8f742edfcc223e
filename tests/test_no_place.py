"""Places where nothing can be written, as another's run or a file: one sentence, and nothing is changed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from toy_runs import call, refused, searched_run

from mtnas.atomic import write_text
from mtnas.errors import RunError
from mtnas.runs import Run

TOLD = r"cannot be written \((File exists|Not a directory|Permission denied): .*\); allow that, or choose another place"


def forbid(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """A directory is read-only, also for root, who may else write anywhere."""

    def opened(original: Callable[..., int], path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and place in Path(path).parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path, flags, *more, **named)

    def made(original: Callable[..., None], path: Any, *more: Any, **named: Any) -> None:
        if place in Path(path).parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        original(path, *more, **named)

    monkeypatch.setattr(os, "open", partial(opened, os.open))
    monkeypatch.setattr(os, "mkdir", partial(made, os.mkdir))


@pytest.fixture(params=["file", "read-only"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "place"
    if request.param == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        forbid(monkeypatch, place)
    return place


def test_a_file_that_cannot_be_written_is_told(place: Path) -> None:
    with pytest.raises(RunError, match=TOLD):
        write_text(place / "file", "new")
    with pytest.raises(RunError, match=TOLD):
        write_text(place / "folder" / "file", "new")


def test_a_run_that_cannot_be_made_is_told(place: Path) -> None:
    with pytest.raises(RunError, match=TOLD), Run(place / "run").hold():
        raise AssertionError


def test_commands_on_a_run_that_is_only_to_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = searched_run(tmp_path / "run")
    forbid(monkeypatch, run.path)
    for words in (["report", run.path], ["plot", run.path], ["fork", run.path, tmp_path / "fork"]):
        refused(call(*words), "cannot be written", "Permission denied", "choose another place")
    assert call("show", run.path).code == 0
    assert call("report", run.path, "--out", tmp_path / "page.html").code == 0
