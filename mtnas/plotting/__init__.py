"""Pictures of results: the Pareto front, the branched networks on it as trees, and what predictors were worth."""

from mtnas.plotting.front import draw_front, plot_front
from mtnas.plotting.layout import tree_layout
from mtnas.plotting.members import choose_members
from mtnas.plotting.predictors import draw_predictors, plot_predictors
from mtnas.plotting.save import save_figure
from mtnas.plotting.style import human, label, task_colours
from mtnas.plotting.trees import draw_trees, plot_tree

__all__ = [
    "choose_members",
    "draw_front",
    "draw_predictors",
    "draw_trees",
    "human",
    "label",
    "plot_front",
    "plot_predictors",
    "plot_tree",
    "save_figure",
    "task_colours",
    "tree_layout",
]
