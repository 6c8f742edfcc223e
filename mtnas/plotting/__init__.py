"""Pictures: Pareto fronts, the branched networks on them as trees and bits, and how trainings and searches went."""

from mtnas.plotting.branch_points import plot_branch_point
from mtnas.plotting.branching import draw_branching
from mtnas.plotting.front import draw_front, plot_front
from mtnas.plotting.front_pairs import draw_fronts
from mtnas.plotting.fronts import plot_fronts
from mtnas.plotting.hypervolumes import plot_hypervolume
from mtnas.plotting.layout import tree_layout
from mtnas.plotting.losses import plot_losses
from mtnas.plotting.members import choose_members
from mtnas.plotting.parallel import plot_parallel
from mtnas.plotting.policies import plot_policy
from mtnas.plotting.predictors import draw_predictors, plot_predictors
from mtnas.plotting.save import save_figure
from mtnas.plotting.style import human, label, task_colours
from mtnas.plotting.trees import draw_trees, plot_tree

__all__ = [
    "choose_members",
    "draw_branching",
    "draw_front",
    "draw_fronts",
    "draw_predictors",
    "draw_trees",
    "human",
    "label",
    "plot_branch_point",
    "plot_front",
    "plot_fronts",
    "plot_hypervolume",
    "plot_losses",
    "plot_parallel",
    "plot_policy",
    "plot_predictors",
    "plot_tree",
    "save_figure",
    "task_colours",
    "tree_layout",
]
