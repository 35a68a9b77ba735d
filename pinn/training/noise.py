"""Measured data: how much they count beside the equations, and when only their noise is left.

The equations are exact and the data are not. So the data count little, and a residual of theirs
that finer patches do not make smaller is noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pinn.base.processes import agreed_numbers
from pinn.geometry import Geometry, Points

DATA = 1e-3  # what a measured value counts beside an equation
FLAT = 0.8  # the fall of |r|² of the data in a round, from which on it stays
SMALL = 0.1  # of it: |r|² of all else, once the equations are solved


@dataclass
class Noise:
    """The squared residual of measured data, round by round.

    Args:
        parts: of each round |r|² of the data and of all else, at its end.
    """

    parts: list[tuple[float, float]] = field(default_factory=list)

    def note(self, geometry: Geometry, squares: Mapping[str, Tensor], loss: float) -> None:
        """Split the loss at the end of a round: |r|² (N,) of every region sum up to it."""
        measured = [each.sum() for region, each in squares.items() if geometry.is_measured(region)]
        if measured:
            whole = torch.stack(measured).sum()
            (data,) = agreed_numbers([float(whole)], whole.device)
            self.parts.append((data, loss - data))

    @property
    def is_reached(self) -> bool:
        """Whether the residual of the data makes up most of it, and has stopped falling."""
        if len(self.parts) < 2:
            return False
        (before, _), (data, rest) = self.parts[-2:]
        return rest < SMALL * data and data > FLAT * before

    def obstacle(self, open_components: Sequence[str]) -> str:
        """Why finer patches would not help; empty where they may."""
        if open_components:
            return f"{', '.join(open_components)} left open by equations and conditions"
        return "the residual of the measured data is their noise" if self.is_reached else ""


def weighed(points: Points) -> Points:
    """Measured points, each of which counts little beside an equation."""
    one = points.at.new_ones(len(points)) if points.importance is None else points.importance
    return replace(points, importance=DATA * one)
