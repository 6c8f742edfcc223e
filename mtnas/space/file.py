"""Space files: Python files that declare a search space and its data."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from mtnas.errors import MtnasError, SpaceError
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace

Setting = TypeVar("Setting")


@dataclass(frozen=True)
class SpaceFile:
    """What a space file declares.

    Attributes:
        path: of the file.
        space: its ``space``.
        module: everything else in it.
        widened: its function ``widened(factor)``, the space with all widths multiplied; None if it has none.
    """

    path: Path
    space: SearchSpace
    module: ModuleType
    widened: Callable[[float], SearchSpace] | None = None

    def data(self, data_dir: Path | None = None) -> Data:
        """Call the file's ``data(data_dir)``."""
        make: Callable[[Path | None], Data] = self.module.data
        data = _guarded(self.path, lambda: make(data_dir))
        if not isinstance(data, Data):
            raise SpaceError(
                f"{self.path}: data(data_dir) must return a mtnas.Data, but returned a {type(data).__name__}"
            )
        return data

    def widening(self) -> Callable[[float], SearchSpace]:
        """The file's ``widened``; SpaceError if it has none."""
        if self.widened is None:
            raise SpaceError(
                f"{self.path} has no widened(factor), which networks of other widths need; add a function that returns"
                " the space with all widths multiplied by factor, rounded, at least 1 (see search_spaces/digits.py)"
            )
        return self.widened

    def setting(self, name: str, default: Setting) -> Setting:
        """The file's value of that name, of the default's type, or the default if it has none.

        Raises:
            SpaceError: for a value of another type, or one of that type by another name only, which would be ignored.
        """
        others = [other for other, held in vars(self.module).items() if isinstance(held, type(default))]
        if others and not hasattr(self.module, name):
            raise SpaceError(
                f"{self.path} has a {type(default).__name__} named {others[0]}, but only one that is named {name} is"
                " read; rename it"
            )
        value = getattr(self.module, name, default)
        if not isinstance(value, type(default)):
            raise SpaceError(f"{self.path}: {name} must be a {type(default).__name__}, but is a {type(value).__name__}")
        return value


def load_space_file(path: Path) -> SpaceFile:
    """Run a space file.

    It must have a ``space`` (SearchSpace) and a function ``data(data_dir)`` that returns the Data, and may have
    ``training`` (TrainingSettings), ``searching`` (SearchSettings), ``refining`` (RefineSettings), and a function
    ``widened(factor)`` that returns the same space with all widths multiplied by the factor, rounded, at least 1.

    As with a script, its folder comes first where modules are looked for, from now on, so that it may import what lies
    beside it.

    Raises:
        SpaceError: if it is not there, raises an exception (its own lines of the traceback are in the message), lacks
            one of the two, or has a ``widened`` that is no function.
    """
    if not path.is_file():
        raise SpaceError(f"there is no space file {path}; see search_spaces/ for examples")
    name = f"mtnas_space_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SpaceError(f"{path} is not a Python file; a space file ends in .py")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and worker processes look modules up by name
    loader = spec.loader
    _guarded(path, lambda: loader.exec_module(module))
    space = getattr(module, "space", None)
    if not isinstance(space, SearchSpace):
        raise SpaceError(f"{path} must define space = SearchSpace(...), but its space is {type(space).__name__}")
    if not callable(getattr(module, "data", None)):
        raise SpaceError(f"{path} must define a function data(data_dir) that returns a mtnas.Data")
    make = getattr(module, "widened", None)
    if make is None:
        return SpaceFile(path, space, module)
    if not callable(make):
        raise SpaceError(
            f"{path}: widened must be a function widened(factor) that returns a mtnas.SearchSpace, but is a"
            f" {type(make).__name__}"
        )
    return SpaceFile(path, space, module, lambda factor: _guarded(path, lambda: make(factor)))


Result = TypeVar("Result")


def _guarded(path: Path, call: Callable[[], Result]) -> Result:
    """Call code of a space file; what it raises becomes a SpaceError that shows the file's own lines only."""
    try:
        return call()
    except SyntaxError as error:
        raise SpaceError(f"{path} has an error:\n{''.join(traceback.format_exception_only(error)).rstrip()}") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).resolve() == path.resolve()]
        if isinstance(error, MtnasError):
            line = f" (line {own[-1].lineno}: {own[-1].line})" if own else ""
            raise type(error)(f"{path.name}{line}: {error}") from error
        lines = "".join(traceback.format_list(own))
        raise SpaceError(
            f"{path} has an error:\n{lines}{''.join(traceback.format_exception_only(error)).rstrip()}"
        ) from error
