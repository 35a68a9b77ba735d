"""Local features on patches of the domain, joined by a partition of unity."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from pinn.base.messages import echo
from pinn.geometry import Geometry
from pinn.networks.layout import Cut, Layout, even, grid_cuts
from pinn.networks.local_features import LocalFeatures, Polynomials
from pinn.networks.network import Network
from pinn.networks.windows import Windows


class Coefficients(nn.Module):
    """c: (patches, outputs, features), zero at first."""

    def __init__(self, patches: int, outputs: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(patches, outputs, features))


class Patches(Network):
    """f(x) = Σₚ wₚ(x) Σⱼ cₚⱼ φⱼ(ξₚ(x)),   Σₚ wₚ = 1.

    The bounds of the domain are cut into boxes, the patches. A smooth window wₚ is 1 in the middle
    of its patch and 0 beyond a third of a neighbour's width; in the local coordinates
    ξₚ ∈ [−1, 1]ᴰ every patch has features of its own. The coefficients c are trained. A point sees
    at most 2ᴰ patches, so least squares of many patches is a sparse problem.

    Source: I. Babuška, J. M. Melenk, "The partition of unity method", 1997,
    doi:10.1002/(SICI)1097-0207(19970228)40:4<727::AID-NME86>3.0.CO;2-N.

    Args:
        grid: coordinate → how many patches along it, or the positions of the cuts, increasing.
        features: of each patch; polynomials of degree 8 by default.
        cuts: further cuts, one after the other: the number of a patch, that of an axis, a position.
            The part above the cut gets the next number.
        until: the time at which the patches end, where a run has solved a part of it; later,
            values are those at that time.

    Raises:
        ValueError: the grid is no mapping; when built, a coordinate is unknown, a cut misses its
            patch, or there is no such time.
    """

    is_local = True

    def __init__(
        self,
        grid: dict[str, Any] | None = None,
        features: LocalFeatures | None = None,
        cuts: list[list[float]] | None = None,
        until: float | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(grid, Mapping | None):
            raise ValueError(
                f"Patches grid is {echo(grid)}: give the number of patches by coordinate, {{x: 4}}"
            )
        self.grid = dict(grid or {})
        self.features = Polynomials() if features is None else features
        self.is_drawn = not self.features.trained
        self.cuts = [cut_of(given) for given in cuts or []]
        self.until = until
        self.end: tuple[float, ...] = ()  # of the domain

    def create(self, geometry: Geometry, outputs: int) -> None:
        """Cuts the bounds of the domain; all coefficients are zero."""
        axes = {
            geometry.coordinates.index(name): positions(name, given, geometry)
            for name, given in self.grid.items()
        }
        cuts = [*grid_cuts(axes, len(geometry.lower)), *self.cuts]
        self.end = geometry.upper
        if self.until is not None:
            check_time(self.until, geometry)
        self.lay(Layout(geometry.lower, self.reach(self.until), cuts), outputs)

    def reach(self, until: float | None) -> tuple[float, ...]:
        """The upper bounds of patches that end at a time; those of the domain for None."""
        return self.end if until is None else (*self.end[:-1], until)

    def lay(self, layout: Layout, outputs: int) -> None:
        """Take these patches; all coefficients are zero."""
        self.end = self.end or layout.upper
        self.until = None if layout.upper == self.end else layout.upper[-1]
        self.layout, self.windows = layout, Windows(layout, self.until is not None)
        self.features.build(len(layout), len(layout.lower))
        self.output = Coefficients(len(layout), outputs, self.features.count)
        self.per_point = self.windows.most * self.features.count

    def remember(self) -> None:
        """Let the recipe of this network be that of its present patches."""
        given: dict[str, Any] = {
            "grid": None,
            "features": self.features,
            "cuts": [list(c) for c in self.layout.cuts],
        }
        if self.until is not None:
            given["until"] = self.until
        object.__setattr__(self, "_spec", {**self._spec, "init_args": given})

    def seen(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """The patches that points (..., D) see, see `Windows.seen`."""
        return self.windows.seen(at)

    def local(self, x: Tensor, patch: Tensor) -> Tensor:
        """wₚ φⱼ(ξₚ) (..., K, F) of points (..., D) in patches (..., K)."""
        window, xi = self.windows(x, patch)
        return window * self.features(xi, patch)

    def value(self, x: Tensor) -> Tensor:
        """f(x): points (..., D) to values (..., C)."""
        at: Tensor = getattr(x, "value", x)  # of a jet
        patch, counts = self.seen(at)
        features = self.local(x, patch) * counts.to(at.dtype).unsqueeze(-1)
        weight = self.output.weight[patch].movedim(-2, -1)  # (..., K, F, C)
        return (features.unsqueeze(-1) * weight).sum((-3, -2))


def cut_of(given: Sequence[float]) -> Cut:
    """A cut as a configuration writes it.

    Raises:
        ValueError: it has not three numbers.
    """
    try:
        patch, axis, position = given
        return int(patch), int(axis), float(position)
    except (TypeError, ValueError):
        raise ValueError(
            f"Patches cut {echo(given)}: give a patch, an axis and a position, as in [0, 1, 0.5]"
        ) from None


def check_time(until: Any, geometry: Geometry) -> None:
    """Refuse a time at which no patches can end.

    Raises:
        ValueError: the domain has no time, or not that one.
    """
    if geometry.coordinates.time is None:
        raise ValueError(f"Patches until is {echo(until)}, but the problem has no time: remove it")
    start, end = geometry.lower[-1], geometry.upper[-1]
    if isinstance(until, bool) or not isinstance(until, int | float) or not start < until <= end:
        raise ValueError(
            f"Patches until is {echo(until)}: give a time between {start:g} and {end:g}"
        )


def positions(name: str, given: Any, geometry: Geometry) -> Sequence[float]:
    """Where an axis is cut.

    Raises:
        ValueError: the positions do not increase, or do not lie inside.
    """
    i = geometry.coordinates.index(name)
    low, high = geometry.lower[i], geometry.upper[i]
    if isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= 10**4:
        return even(low, high, given)
    places: list[Any] = list(given) if isinstance(given, Sequence) else [math.nan]
    ends = [low, *places, high]
    real = all(isinstance(place, int | float) for place in places)
    if not real or not all(a < b for a, b in pairwise(ends)):
        raise ValueError(
            f"Patches grid {name} is {echo(given)}: give the number of patches, or the positions "
            f"of the cuts, increasing between {low:g} and {high:g}"
        )
    return places


def only_patches(networks: Mapping[str, nn.Module]) -> dict[str, Patches]:
    """The networks, if all of them are patches; else none."""
    own = {name: net for name, net in networks.items() if isinstance(net, Patches)}
    return own if len(own) == len(networks) else {}
