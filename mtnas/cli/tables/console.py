"""Where tables are printed."""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """Tables keep their columns in files and pipes, which have no width of their own."""
    found = Console()
    return found if found.is_terminal else Console(width=200)
