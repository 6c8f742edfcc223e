"""What all tests share: one thread, repeatable examples, and a small space with its data."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings
from toys import toy_data, toy_space

from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reads it when it is imported, which tests do, too

settings.register_profile("mtnas", deadline=None, derandomize=True)
settings.load_profile("mtnas")


BEGUN = time.monotonic()
TOO_LATE = "long, and the others took their time (--long-within)"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long-within",
        type=float,
        default=float("inf"),
        metavar="SECONDS",
        help="After so many, tests that are marked as long are skipped, so that a slow machine comes to an end.",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come last, so that these alone are left out where time is short."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path in long)


@pytest.hookimpl(tryfirst=True)  # before the fixtures, which may be what takes long
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("long") and time.monotonic() - BEGUN > item.config.getoption("--long-within"):
        pytest.skip(TOO_LATE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if TOO_LATE in str(report.longrepr)]
    if skipped:
        files = Counter(report.nodeid.partition("::")[0] for report in skipped)
        told = ", ".join(f"{count} of {file}" for file, count in files.items())
        terminalreporter.write_line(f"{len(skipped)} long tests were not begun: {told}; `make test-all` runs them")


def pytest_configure(config: pytest.Config) -> None:
    """Tests compare to the last bit, which the CPU alone promises: no other finds a GPU (`make test-cuda`)."""
    if config.getoption("markexpr") != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Sums of one thread always have one order, and the machine may have other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_data_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands on the toy space get no data folder, whatever the environment names."""
    if hasattr(request.module, "call"):
        monkeypatch.delenv("MTNAS_DATA", raising=False)


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    """Three tasks, three blocks of small dense operators with batch norm."""
    return toy_space()


@pytest.fixture(scope="session")
def data() -> Data:
    """A few samples, some without labels."""
    return toy_data()
