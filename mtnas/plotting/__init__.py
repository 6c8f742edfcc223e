"""Pictures of results: the Pareto front, and the branched networks on it as trees."""

from mtnas.plotting.front import draw_front, plot_front
from mtnas.plotting.layout import tree_layout
from mtnas.plotting.members import choose_members
from mtnas.plotting.save import save_figure
from mtnas.plotting.style import human, label, task_colours
from mtnas.plotting.trees import draw_trees, plot_tree

__all__ = [
    "choose_members",
    "draw_front",
    "draw_trees",
    "human",
    "label",
    "plot_front",
    "plot_tree",
    "save_figure",
    "task_colours",
    "tree_layout",
]
