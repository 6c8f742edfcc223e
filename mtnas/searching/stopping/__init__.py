"""Rules that end a search before it has measured all that was asked for."""

from mtnas.searching.stopping.plateau import Plateau
from mtnas.searching.stopping.rule import SearchProgress, StopRule
from mtnas.searching.stopping.time_limit import TimeLimit
from mtnas.searching.stopping.watch import Watch

__all__ = ["Plateau", "SearchProgress", "StopRule", "TimeLimit", "Watch"]
