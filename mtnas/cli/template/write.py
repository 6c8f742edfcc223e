"""Write the space file to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from mtnas.atomic import telling_full_disk
from mtnas.errors import SpaceError, brief
from mtnas.json_values import is_there


def write_template(path: Path) -> None:
    """Write a space file that runs as it is.

    Raises:
        SpaceError: if something has that name already, if it does not end in .py, or if it cannot be written.
    """
    if path.suffix != ".py":
        raise SpaceError(
            f"a space file ends in .py, but got {path}; name it for example {path.with_suffix('.py').name}"
        )
    text = files(__package__).joinpath("my_space.py").read_text(encoding="utf-8")
    try:
        with telling_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:  # x: whoever else wrote it meanwhile keeps theirs
                file.write(text)
    except OSError as error:
        if isinstance(error, FileExistsError) and is_there(path):
            raise SpaceError(
                f"{path} is there already and stays as it is; name another file, or move it away"
            ) from error
        raise SpaceError(
            f"{path} cannot be written ({brief(error.strerror)}); name a file in another folder"
        ) from error
