"""Who does which job, when workers die whose deaths are known one after the other: with workers that are made up."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest

from mtnas.errors import PoolError
from mtnas.pools import Finished, Job
from mtnas.pools.crew import Crew, Died, Ready, Rules, Said


class Puppets(Crew[int]):
    """Workers by number. They say what the test has them say, or after that what a dead one's connection would."""

    def __init__(self, rules: Rules, workers: int, why_not: str = "") -> None:
        super().__init__(rules, {"main": workers})
        self.why_not = why_not
        self.said: deque[tuple[int, Said]] = deque()
        self.handed: list[tuple[int, Any]] = []
        self.dead: set[int] = set()
        self.late: set[int] = set()
        self._numbers = itertools.count()
        self.begin()

    def _start(self, role: str) -> int:
        number = next(self._numbers)
        if number not in self.late:
            self.said.append((number, Ready(self.why_not)))
        return number

    def _send(self, handle: int, job: Job) -> None:
        self.handed.append((handle, job.payload))
        self.said.append((handle, Died("lost") if handle in self.dead else Finished(job, f"by {handle}")))

    def _ask(self, handle: int) -> bool:
        self.said.append((handle, Died("lost") if handle in self.dead else Ready()))
        return True

    def _listen(self, handles: Sequence[int], timeout: float | None) -> list[tuple[int, Said]]:
        while self.said[0][0] not in handles:
            self.said.popleft()
        return [self.said.popleft()]

    def _end(self, handle: int) -> None:
        self.dead.add(handle)


def test_workers_that_die_together_count_as_one_death_of_a_job() -> None:
    """With two attempts, a job survives the loss of a node with three workers, whichever of them it is on."""
    workers = Puppets(Rules(None, 2, 0, 60.0), 3)
    for number in range(3):
        workers.submit(Job(number, "main", f"first {number}"))
    assert {one.value for _ in range(3) for one in workers.wait()} == {"by 0", "by 1", "by 2"}
    workers.dead = {0, 1, 2}
    workers.submit(Job(3, "main", "job"))
    (found,) = workers.wait()
    assert (found.job.number, found.failure) == (3, "")
    assert int(found.value.removeprefix("by ")) > 2
    assert len([one for one in workers.handed if one[1] == "job"]) == 2


def test_a_replacement_that_finds_no_room_stops_nothing_while_others_work() -> None:
    workers = Puppets(Rules(None, 2, 0, 1e-9), 2)
    for number in range(2):
        workers.submit(Job(number, "main", "first"))
    assert len(workers.wait()) + len(workers.wait()) == 2
    workers.dead, workers.late = {0}, set(range(2, 9))
    for number in range(2, 6):
        workers.submit(Job(number, "main", "then"))
    values = [one.value for _ in range(4) for one in workers.wait()]
    assert values == ["by 1"] * 4


def test_why_a_worker_cannot_get_ready_is_a_sentence_where_there_is_one() -> None:
    trace = "Traceback (most recent call last):\n  File\n"
    for last, told in (
        ("mtnas.errors.TrainingError: there is no cuda:3; use cpu\n", " there is no cuda:3; use cpu"),
        ("OSError: closed\n", rf" \n{re.escape(trace)}OSError: closed"),
    ):
        workers = Puppets(Rules(None, 2, 0, 60.0), 1, trace + last)
        workers.submit(Job(0, "main", "job"))
        with pytest.raises(PoolError, match=f"^a worker could not get ready:{told}$"):
            workers.wait()
