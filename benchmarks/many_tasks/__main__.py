"""What 20, 50 and 100 tasks cost, with few copies of a block: steps, learning about branching, and a search."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.many_tasks.groups import on_one_thread
from benchmarks.many_tasks.steps import HARD, PARTING, TREES, expected_seconds, step_seconds
from benchmarks.many_tasks.whole import whole
from benchmarks.report import Bar, Options, Report, main

COPIES, GROUPS = 8, 5

ABOUT = (
    f"Tasks of {GROUPS} groups, a teacher network for each group, in a space of 3 dense blocks with at most {COPIES}"
    " copies. Steps: forward and backward of a batch of 128, medians of kinds that take turns; baseline: hard sharing."
    " Parting steps are those of one epoch in twenty (here more: 30 %). expected: cost of a tree and its gradient, 18"
    " blocks. learn: affinities and the branch points of four"
    " budgets; leading: trees within the true tree's nodes; pairs: of tasks, rightly together or apart in the first of"
    " these. candidate: a search's seconds for each, 60 in all; judged: of these, the evaluation of one. One thread,"
    " one seed: these are times, and differ from machine to machine."
)


def measure(options: Options) -> Report:
    on_one_thread()
    report = Report(ABOUT + ("\n--quick: too few epochs to learn who goes with whom" if options.quick else ""))
    for tasks in (20,) if options.quick else (20, 50, 100):
        steps = step_seconds(tasks, COPIES, GROUPS, rounds=3 if options.quick else 20)
        with tempfile.TemporaryDirectory() as place:
            epochs, evaluations = (4, 15) if options.quick else (80, 60)
            found = whole(tasks, COPIES, GROUPS, Path(place), epochs=epochs, evaluations=evaluations)
        report.rows.append(
            {
                "tasks": tasks,
                "hard sharing step, ms": 1e3 * steps[HARD],
                "all trees": steps[TREES] / steps[HARD],
                "parting": steps[PARTING] / steps[HARD],
                "expected, ms": 1e3 * expected_seconds(tasks, COPIES),
                "training, s": found.training_s,
                "learn, s": found.learning_s,
                "leading, s": found.leading_s,
                "pairs": found.pairs,
                "candidate, s": found.search_s,
                "judged, s": found.evaluation_s,
                "params": found.params[0],
                "with a copy a task": found.params[1],
            }
        )
        report.bars.append(Bar.at_least(f"{tasks} tasks: pairs right at the last block", found.pairs, 0.95))
    return report


if __name__ == "__main__":
    main("many_tasks", ABOUT, measure)
