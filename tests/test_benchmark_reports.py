"""What all benchmarks write."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.report import Bar, Report, as_json


def test_numbers_of_numpy_are_written_as_plain_ones() -> None:
    ratio = np.float64(0.5)
    rows = [{"off": ratio, "seeds": np.int64(3), "found": np.bool_(True)}]
    report = Report("about", rows, [Bar.at_most("error", ratio, np.float64(1)), Bar.at_least("tau", ratio, 0.9)])
    found = json.loads(as_json(report))
    assert found["rows"] == [{"off": 0.5, "seeds": 3, "found": True}]
    assert found["bars"] == [
        {"name": "error", "value": 0.5, "bar": "<= 1", "holds": True},
        {"name": "tau", "value": 0.5, "bar": ">= 0.9", "holds": False},
    ]
