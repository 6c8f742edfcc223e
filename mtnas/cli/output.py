"""What a command says beside its results, how much of it, and JSON for programs.

Results go to standard output. Progress goes to standard error. Remarks ("wrote ...") stand with the results, unless
these are JSON: then JSON alone is on standard output.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mtnas.json_values import null_unless_finite


@dataclass
class Volume:
    """How much a command says.

    Attributes:
        quiet: results and errors only.
        verbose: tracebacks of errors, and what libraries log.
    """

    quiet: bool = False
    verbose: bool = False


volume = Volume()
"""Of this process."""


def set_volume(quiet: bool, verbose: bool) -> None:
    """Say as much as was asked for."""
    volume.quiet, volume.verbose = quiet, verbose
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")


def remark(text: str, as_json: bool = False) -> None:
    """Say something that is no result.

    Args:
        as_json: whether the results are JSON.
    """
    if not volume.quiet:
        typer.echo(text, err=as_json)


def remark_written(paths: Iterable[Path], as_json: bool = False) -> None:
    """Say which files were written."""
    for path in paths:
        remark(f"wrote {path}", as_json)


def say_error(error: Exception) -> None:
    """One sentence on standard error; where it came from, too, if that was asked for."""
    if volume.verbose:
        traceback.print_exception(error)
    typer.echo(f"error: {error}", err=True)


@contextmanager
def working(as_json: bool) -> Iterator[None]:
    """What code prints meanwhile, that of space files included, does not get among JSON."""
    if not as_json:
        yield
    else:
        with redirect_stdout(sys.stderr):
            yield


def print_json(value: Any) -> None:
    """Print a value as JSON; what is not a finite number is null there."""
    typer.echo(json.dumps(null_unless_finite(value), indent=1, allow_nan=False))
