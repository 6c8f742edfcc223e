"""`mtnas plot` with several runs, and files that are never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_runs import begun_run, call, refused, searched_run


@pytest.mark.parametrize(
    ("name", "begins"), [("fronts.png", b"\x89PNG"), ("fronts.pdf", b"%PDF"), ("fronts.svg", b"<?xml")]
)
def test_the_fronts_of_several_runs_are_one_picture(tmp_path: Path, name: str, begins: bytes) -> None:
    runs = [searched_run(tmp_path / run).path for run in ("a", "b")]
    before = [sorted(path.name for path in run.iterdir()) for run in runs]
    found = call("plot", *runs, "--out", tmp_path / name)
    assert found.code == 0 and name in found.out
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert [sorted(path.name for path in run.iterdir()) for run in runs] == before


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    run, picture, page = searched_run(tmp_path / "a").path, tmp_path / "mine.png", tmp_path / "mine.html"
    for path, words in ((picture, ("plot", run, run)), (page, ("report", run))):
        path.write_text("mine")
        refused(call(*words, "--out", path), path.name, "not overwritten")
        assert path.read_text() == "mine"


def test_a_file_is_named_for_several_runs_and_for_no_single_one(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "a").path
    refused(call("plot", run, run), "--out")
    refused(call("plot", run, "--out", tmp_path / "x.png"), "several runs")
    refused(call("report", run, "--out", tmp_path / "x.txt"), "x.txt", ".html")


def test_the_pictures_of_one_run_are_written_elsewhere(tmp_path: Path) -> None:
    run, folder = searched_run(tmp_path / "a").path, tmp_path / "pictures" / "of a"
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert call("plot", run, "--out", folder).code == 0
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(written) == {"front.png", "trees.png", "predictors.png"}
    assert call("plot", run).code == 0
    assert {name: (run / name).read_bytes() for name in written} == written
    refused(call("plot", run, "--out", folder), "front.png", "not overwritten")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written


@pytest.mark.parametrize(("dpi", "limit"), [("19", "20"), ("601", "600"), ("1000000", "600")])
def test_dots_that_are_too_few_or_too_many_are_refused(tmp_path: Path, dpi: str, limit: str) -> None:
    found = call("plot", searched_run(tmp_path / "a").path, "--dpi", dpi)
    assert found.code == 2 and limit in found.err and "Traceback" not in found.err


def test_runs_without_rows_are_drawn_beside_others_only(tmp_path: Path) -> None:
    a, b = (begun_run(tmp_path / name).path for name in "ab")
    refused(call("plot", a, b, "--out", tmp_path / "x.png"), str(b), "search first")
    assert call("plot", a, searched_run(tmp_path / "c").path, "--out", tmp_path / "x.png").code == 0
