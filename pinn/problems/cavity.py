"""Flow in a box whose lid slides: the benchmark of incompressible flow."""

import math
from typing import Literal

import torch
from torch import Tensor

from pinn.fields import Field
from pinn.functions import atan, sqrt, vector
from pinn.geometry import Rectangle
from pinn.problem import Fields, Gauge
from pinn.problems.navier_stokes import NavierStokes
from pinn.references import Reference, cavity_reference
from pinn.residuals import on

# ψ = a Y + θ (c Y + d X) meets u = 1 on the lid, u = 0 on the wall: three numbers follow.
D = 1 / (1 - math.pi**2 / 4)
C = D * math.pi / 2
A = -D * math.pi**2 / 4

CORNER = 0.05  # radius within which residuals at the lid's corners count less


class LidDrivenCavity(NavierStokes):
    """Steady flow in the unit square, driven by its lid:

        (u·∇)u + ∇p − (1/Re) ∇²u = 0,   ∇·u = 0,
        u = (1, 0) on y = 1 right up to the corners,   u = 0 on the other walls.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U L / ν → `reynolds`;
    non-dimensional by the lid's speed U and the side L.

    The velocity is discontinuous in the two upper corners, where p ~ 1/r. With `walls="hard"` the
    ansatz carries the known Stokes flow of each corner (`corner_flow`), faded out towards the
    other walls, and the network only adds what vanishes on the walls:

        u = u_corners + 16 x(1−x) y(1−y) û,     p = p_corners + p̂.

    Residuals count less within 0.05 of those corners (`importance`), where the inertia of the
    corner flow still grows like 1/r.

    Data it may use: the velocity of the four walls. Pressure is fixed by the gauge.

    Args:
        reynolds: Reynolds number Re > 0, or several in turn.
        walls: `hard` builds the walls into the ansatz; `soft` makes them residuals `lid` and
            `walls`, to be weighted.
        gauge: how the constant of the pressure is chosen.

    Reference:
        The corner flow: G. I. Taylor, "On scraping viscous fluid from a plane surface" (1962);
        H. K. Moffatt, J. Fluid Mech. 18 (1964) 1–18, doi:10.1017/S0022112064000015. The benchmark:
        O. Botella, R. Peyret, Computers & Fluids 27 (1998) 421–433,
        doi:10.1016/S0045-7930(98)00002-4.

    Good values: Re = 100 with a 3×32 tanh network and 1,000 points.
    """

    def __init__(
        self,
        reynolds: float | list[float] = 100.0,
        walls: Literal["hard", "soft"] = "hard",
        gauge: Gauge = "zero_mean",
    ) -> None:
        geometry = Rectangle().named(lid="top", walls=("left", "right", "bottom"))
        super().__init__(geometry, reynolds, gauge)
        if walls not in ("hard", "soft"):
            raise ValueError(f"walls is {walls!r}: expected 'hard' or 'soft'")
        self.hard = walls == "hard"
        self._kept: tuple | None = None
        if self.hard:
            self.residuals = tuple(r for r in self.residuals if r.regions == ("interior",))

    @on("lid")
    def lid(self, u: Field) -> Field:
        """u − (1, 0)."""
        return u - (1.0, 0.0)

    @on("walls")
    def walls(self, u: Field) -> Field:
        """u."""
        return u

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The walls and the corner flow built in, if they are hard."""
        if not self.hard:
            return raw
        bubble, velocity, pressure = self.fixed(at)
        return {"u": velocity + bubble * raw["u"], "p": pressure + raw["p"]}

    def fixed(self, at: Field) -> tuple[Field, Field, Field]:
        """What of the ansatz no network changes: 16 x(1−x) y(1−y), u_corners, p_corners.

        It is half of a step, and the same until new points are drawn: the last one is kept.
        """
        points = at.value
        keep = not (points.requires_grad or points.is_inference())
        key = (points._version, self.reynolds) if keep else None
        if keep and self._kept is not None and self._kept[0] is points and self._kept[1] == key:
            return self._kept[2]
        x, y = at[:, 0], at[:, 1]
        found = (16 * x * (1 - x) * y * (1 - y), *self.corners(x, y))
        if keep and not torch.is_inference_mode_enabled():
            self._kept = (points, key, found)
        return found

    def corners(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Both corner flows, each faded out towards the other walls; exact on all four walls."""
        u_left, v_left, p_left = corner_flow(x, 1 - y)
        u_right, v_right, p_right = corner_flow(1 - x, 1 - y)
        # Smooth steps, flat at both ends, so that near a corner its own flow is unchanged.
        near_left = (1 - x) ** 2 * (1 + 2 * x)
        near_lid = y**2 * (3 - 2 * y)
        left, right = near_left * near_lid, (1 - near_left) * near_lid
        u = left * u_left + right * u_right
        v = right * v_right - left * v_left
        p = (2 / self.reynolds) * (left * p_left - right * p_right)
        return vector(u, v), p

    def importance(self, region: str, at: Tensor) -> Tensor | None:
        """r²/(r² + 0.05²) with the distance r to the nearer upper corner."""
        if region != "interior":
            return None
        x, depth = at[:, 0], 1 - at[:, 1]
        squared = torch.minimum(x, 1 - x) ** 2 + depth**2
        return squared / (squared + CORNER**2)

    def reference(self) -> Reference | None:
        """The stored spectral solution, for the Reynolds numbers that have one."""
        return cavity_reference(self.reynolds)


def corner_flow(along: Field, depth: Field) -> tuple[Field, Field, Field]:
    """Stokes flow in a right-angled corner whose lid slides away from it with unit speed:

        ψ = a Y + θ (c Y + d X),   tan θ = Y/X,   q = (c Y + d X)/r²,
        u = a + c θ + q X,   v = −d θ + q Y,   p = 2 ν q.

    Args:
        along: X ≥ 0, the distance from the corner along the lid.
        depth: Y ≥ 0, the distance below the lid.

    Returns:
        u along the lid, v into the depth, and p/(2ν) = q.
    """
    # In the corner itself there is no limit: this gives it the lid's velocity.
    along = along + 1e-12
    squared = along**2 + depth**2
    theta = 2 * atan(depth / (sqrt(squared) + along))
    q = (C * depth + D * along) / squared
    return A + C * theta + q * along, q * depth - D * theta, q
