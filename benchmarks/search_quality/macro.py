"""NAS-Bench-Macro: a table of 6,561 networks trained on CIFAR-10 (Su et al. 2021, arXiv 2103.11922)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from benchmarks.search_quality.genes import Indices
from benchmarks.search_quality.problem import Problem
from mtnas.results.front import Points, hypervolume
from mtnas.space.datasets.directory import find_data_dir, find_file

NAME = "NAS-Bench-Macro"
BLOCKS, CHOICES = 8, 3


def nas_bench_macro(data_dir: Path | None) -> Problem:
    """Error, params and flops, each on its range over the whole table.

    Raises:
        DataError: if there is no data directory, or the table is not in it.
    """
    table = read_table(data_dir)
    costs = (table - table.min(0)) / (table.max(0) - table.min(0))
    powers = CHOICES ** np.arange(BLOCKS)[::-1]

    def costs_of(genes: Indices) -> Points:
        return np.asarray(costs[genes @ powers])

    blocks: dict[str, BaseDistribution] = {f"block{i}": CategoricalDistribution((0, 1, 2)) for i in range(BLOCKS)}
    return Problem(NAME, blocks, 3, costs_of, exact=hypervolume(costs, np.full(3, 1.1)))


def read_table(data_dir: Path | None) -> Points:
    """Errors in percent, params and flops of every network, ordered by its choices: (6561, 3)."""
    folder = find_data_dir(data_dir)
    name = "nas-bench-macro_cifar10.json"
    path = find_file(
        [folder / "nas_bench_macro", folder], [name], "put the file of github.com/xiusu/NAS-Bench-Macro there"
    )
    networks = json.loads(path.read_text(encoding="utf-8"))
    keys = [np.base_repr(number, CHOICES).zfill(BLOCKS) for number in range(CHOICES**BLOCKS)]
    found = [networks[key] for key in keys]
    return np.array([(100 - network["mean_acc"], network["params"], network["flops"]) for network in found])
