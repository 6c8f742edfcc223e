"""A space at other widths: the factor at which one of its networks has a given number of params."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mtnas.architecture import Architecture, ArchitectureSpace
from mtnas.errors import ArchitectureError, SpaceError
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input

Widened = Callable[[float], SearchSpace]
"""``widened(factor)``: a space with all widths multiplied by the factor, rounded, at least 1.

Tasks, blocks and options stay the same, in the same order; the names of options may tell their width.
``widened(1)`` is the space itself.
"""


class Widths:
    """A space at any width, and what a dry run finds there. Each width is tried once.

    Args:
        widened: makes the space.
        x: a batch of inputs, for the dry runs.
        batch_size: samples per training step.
    """

    def __init__(self, widened: Widened, x: Input, batch_size: int) -> None:
        self.widened, self.x, self.batch_size = widened, x, batch_size
        self._spaces: dict[float, SearchSpace] = {}
        self._known: dict[float, DryRun] = {}

    def at(self, factor: float) -> tuple[SearchSpace, DryRun]:
        """The space with all widths multiplied by a factor, and its dry run.

        Raises:
            SpaceError: if it is no space, or its operators do not fit one another.
        """
        space = self._space(factor)
        if factor not in self._known:
            self._known[factor] = self._dry_run(factor, space)
        return space, self._known[factor]

    def place(self, factor: float, architecture: Architecture) -> tuple[SearchSpace, Architecture]:
        """The space at a factor, and what an architecture of ``widened(1)`` is called there.

        The space is without a limit of copies: plain networks may have more groups than a supernetwork has copies.
        """
        space = self._space(factor).unlimited()
        try:
            return space, _renamed(architecture, self._space(1.0).architectures, space.architectures)
        except ArchitectureError as error:
            raise SpaceError(
                f"widened({factor:g}) must have the tasks, blocks and options of widened(1) in the same order, but"
                f" {error}"
            ) from error

    def costs(self, factor: float, architecture: Architecture) -> dict[str, int]:
        """Exact costs by name of an architecture of ``widened(1)`` with all widths multiplied by a factor."""
        space, placed = self.place(factor, architecture)
        found = self._known.get(factor)
        if found is None:
            space = _without_others(space, placed)
            found = self._dry_run(factor, space, sharing=False)
        return {name: int(cost) for name, cost in found.costs.of(space.architectures, placed).items()}

    def _space(self, factor: float) -> SearchSpace:
        if factor not in self._spaces:
            space = self.widened(factor)
            if not isinstance(space, SearchSpace):
                raise SpaceError(
                    f"widened({factor:g}) must return a mtnas.SearchSpace, but returned a {type(space).__name__}"
                )
            self._spaces[factor] = space
        return self._spaces[factor]

    def _dry_run(self, factor: float, space: SearchSpace, *, sharing: bool = True) -> DryRun:
        try:
            return space.dry_run(self.x, self.batch_size, sharing=sharing)
        except SpaceError as error:
            raise SpaceError(f"widened({factor:g}): {error}") from error

    def factor_for(
        self,
        name: str,
        architecture: Architecture,
        params: int,
        *,
        tolerance: float = 0.02,
        resolution: float = 1e-4,
        smallest: float = 1e-4,
        largest: float = 64.0,
    ) -> float:
        """The factor at which an architecture's params are as near as possible to ``params``, by bisection.

        Params rise in steps, since widths are whole numbers, and so are met only to within a step. Of all factors that
        were tried, the one whose params are nearest is taken; of equally near ones the one nearest to 1.

        Args:
            name: of the network, for errors.
            params: to come near to.
            tolerance: share of ``params`` by which the network may be larger; it may be smaller by any step.
            resolution: the bisection ends when the factor is known to this share of it.
            smallest: factors below it are not tried.
            largest: factors above it are not tried.

        Raises:
            SpaceError: if the network is too large at the smallest factor (halves of 1 are tried), or too small at the
                largest (doubles of 1).
        """
        tried: dict[float, int] = {}

        def too_large(factor: float) -> bool:
            tried[factor] = self.costs(factor, architecture)["params"]
            return tried[factor] > params

        low = high = 1.0
        while too_large(low) and low / 2 >= smallest:
            low, high = low / 2, low
        limit = params * (1 + tolerance)
        if tried[low] > limit:
            raise SpaceError(
                f"{name} has {tried[low]:,} params even at the smallest width, but {params:,} are needed; choose a"
                " larger candidate"
            )
        while not too_large(high):
            if high >= largest:
                raise SpaceError(
                    f"{name} has only {tried[high]:,} params with all widths times {high:g}, but {params:,} are needed;"
                    " let widened(factor) multiply every width by the factor"
                )
            low, high = high, high * 2
        while high - low > resolution * low:
            middle = (low + high) / 2
            low, high = (low, middle) if too_large(middle) else (middle, high)
        fitting = [factor for factor, count in tried.items() if count <= limit]
        return min(fitting, key=lambda factor: (abs(tried[factor] - params), abs(factor - 1)))


def _without_others(space: SearchSpace, architecture: Architecture) -> SearchSpace:
    """The space with those options only that an architecture has."""
    blocks = tuple(
        replace(block, options={name: make for name, make in block.options.items() if name in used})
        for block, used in zip(space.blocks, architecture.options, strict=True)
    )
    return replace(space, blocks=blocks)


def _renamed(architecture: Architecture, old: ArchitectureSpace, new: ArchitectureSpace) -> Architecture:
    """The architecture with the options that stand at the same places of another space."""
    if new.tasks != old.tasks:
        raise ArchitectureError(f"its tasks are {list(new.tasks)} instead of {list(old.tasks)}")
    if len(new.blocks) != len(old.blocks):
        raise ArchitectureError(f"it has {len(new.blocks)} blocks instead of {len(old.blocks)}")
    for one, other in zip(old.blocks, new.blocks, strict=True):
        if len(other.options) < len(one.options):
            raise ArchitectureError(
                f"its block '{other.name}' has options {list(other.options)} instead of {list(one.options)}"
            )
    names = [
        tuple(new.blocks[block].options[old.blocks[block].options.index(name)] for name in row)
        for block, row in enumerate(architecture.options)
    ]
    renamed = Architecture(architecture.tree, tuple(names))
    new.check(renamed)
    return renamed
