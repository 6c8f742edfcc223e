"""Commands to begin with: a space file to start from, and a look at it before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtnas.cli import options
from mtnas.cli.output import print_json, remark, working
from mtnas.cli.panel import DATA, Panel

panel = Panel("Begin")


@panel.command("mtnas new my_space.py")
def new(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Space file to write; it must not be there.")],
) -> None:
    """Write a commented space file that runs as it is, to put your own data, tasks and backbone into."""
    from mtnas.cli.template import write_template

    write_template(path)
    remark(f"wrote {path}; look at it with: mtnas check {path}")
    remark(f"train and search with: mtnas run {path} --run runs/{path.stem}")


@panel.command("mtnas check search_spaces/digits.py", DATA)
def check(
    space: options.SpaceArgument, data_dir: options.DataDirOption = None, as_json: options.JsonOption = False
) -> None:
    """Try a space file and its data without training: sizes, shapes and costs, or what does not fit."""
    from mtnas.cli import tables
    from mtnas.cli.checking import check_file

    with working(as_json):
        told = tables.space_json(check_file(space, data_dir))
    if as_json:
        print_json(told)
    else:
        tables.print_space(told)
