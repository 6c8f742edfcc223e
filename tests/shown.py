"""What the README and the pages in docs/ show: Python to run, commands to run, and what is neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
"""Every page by its name in the repository."""

_FENCE = re.compile(r"^```(\w*)$")
_OUTPUT = "text"
"""Language of fenced blocks that show what something prints."""


@dataclass(frozen=True)
class Shown:
    """A Python block, or one line of a block of commands: continued lines are one.

    Attributes:
        page: where it stands.
        line: its first line there, from 1.
        kind: ``python`` or ``command``.
        text: as it stands there, without indentation.
    """

    page: str
    line: int
    kind: Literal["python", "command"]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text.splitlines()[0]}"


def shown_on(page: str) -> list[Shown]:
    """What a page shows, first to last.

    Blocks of commands are fenced as ``sh`` or indented by four spaces. A fence of any other language but ``python`` and
    ``text`` is an error: nobody would run it.
    """
    return list(_blocks(page, PAGES[page].read_text(encoding="utf-8").splitlines()))


def prose_of(page: str) -> str:
    """The page without its blocks: with their lines left empty."""
    kept, fenced = [], False
    for line in PAGES[page].read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        fenced ^= fence
        kept.append("" if fenced or fence or line.startswith("    ") else line)
    return "\n".join(kept)


def inline_code(page: str) -> list[str]:
    """What stands between backticks in the prose of a page."""
    return re.findall(r"`([^`\n]+)`", prose_of(page))


def _blocks(page: str, lines: list[str]) -> Iterator[Shown]:
    number = 0
    while number < len(lines):
        found = _FENCE.match(lines[number])
        start = number + 1
        if found is not None:
            end = next(i for i in range(start, len(lines)) if lines[i] == "```")
            inside, language = lines[start:end], found[1]
            number = end + 1
            if language == "python":
                yield Shown(page, start + 1, "python", "\n".join(inside) + "\n")
            elif language == "sh":
                yield from _commands(page, start, inside)
            elif language != _OUTPUT:
                raise ValueError(f"{page}:{start}: a fence of '{language}'; take python, sh, or text for output")
        elif lines[number].startswith("    ") and lines[number].strip():
            start = number
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            yield from _commands(page, start, [line[4:] for line in lines[start:number]])
        else:
            number += 1


def _commands(page: str, start: int, lines: list[str]) -> Iterator[Shown]:
    """The lines of a block, those that end in a backslash joined with the next."""
    number = 0
    while number < len(lines):
        first, text = number, lines[number]
        while text.endswith("\\") and number + 1 < len(lines):
            number += 1
            text = text[:-1].rstrip() + " " + lines[number].strip()
        number += 1
        if text.strip():
            yield Shown(page, start + first + 1, "command", text.strip())
