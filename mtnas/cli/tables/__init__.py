"""What commands find, as tables for people and as JSON for programs."""

from mtnas.cli.tables.branching import branching_json, print_advice, print_affinities, print_branching
from mtnas.cli.tables.bundle import bundle_json, print_bundle
from mtnas.cli.tables.candidate import candidate_json, print_candidate
from mtnas.cli.tables.comparison import comparison_json, print_comparison
from mtnas.cli.tables.difference import difference_json, print_difference
from mtnas.cli.tables.foreseen import print_foreseen
from mtnas.cli.tables.latencies import latencies_json, print_latencies
from mtnas.cli.tables.predictors import predictors_json, print_predictors
from mtnas.cli.tables.refined import print_refined, refined_json
from mtnas.cli.tables.results import picked_json, print_picked, print_results, results_json
from mtnas.cli.tables.runs import print_runs, runs_json
from mtnas.cli.tables.space import print_space, space_json
from mtnas.cli.tables.verified import print_verified, verified_json

__all__ = [
    "branching_json",
    "bundle_json",
    "candidate_json",
    "comparison_json",
    "difference_json",
    "latencies_json",
    "picked_json",
    "predictors_json",
    "print_advice",
    "print_affinities",
    "print_branching",
    "print_bundle",
    "print_candidate",
    "print_comparison",
    "print_difference",
    "print_foreseen",
    "print_latencies",
    "print_picked",
    "print_predictors",
    "print_refined",
    "print_results",
    "print_runs",
    "print_space",
    "print_verified",
    "refined_json",
    "results_json",
    "runs_json",
    "space_json",
    "verified_json",
]
