"""Flow in a box whose lid slides: the benchmark of incompressible flow."""

import math
from importlib.resources import files
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from pinn.algebra.channels import Channel, order
from pinn.fields.field import Field, partial, seed
from pinn.fields.functions import vector
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields, Gauge
from pinn.physics.references import Reference
from pinn.physics.residuals import on
from pinn.problems.navier_stokes import NavierStokes

# ψ = −(a Y + θ (c Y + d X)) meets u = 1 on the lid, u = 0 on the wall: three numbers follow.
D = 1 / (1 - math.pi**2 / 4)
C = D * math.pi / 2
A = -D * math.pi**2 / 4

CORNER = 0.1  # radius within which residuals at the lid's corners count less
STORED = (100, 400, 1000)  # Reynolds numbers of the spectral solutions
NOT_JUDGED = 0.05  # side of the boxes at the corners that errors leave out


class LidDrivenCavity(NavierStokes):
    """Steady flow in the unit square, driven by its lid:

        (u·∇)u + ∇p − (1/Re) ∇²u = 0,   u = (∂ψ/∂y, −∂ψ/∂x),
        u = (1, 0) on y = 1 right up to the corners,   u = 0 on the other walls.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U L / ν → `reynolds`;
    non-dimensional by the lid's speed U and the side L. The networks give the stream function ψ →
    `psi` and p, so that ∇·u = 0 holds everywhere.

    The velocity is discontinuous in the two upper corners, where p ~ 1/r. The ansatz carries the
    known Stokes flow of each corner (`corner_flow`), faded out towards the other walls, and meets
    the velocity of all four walls; what the networks add to it has to vanish there. With
    `walls="soft"` that is a residual, to be weighted, with `walls="hard"` it is built in:

        ψ = ψ_corners + ψ̂    or    ψ = ψ_corners + (16 x(1−x) y(1−y))² ψ̂,     p = p_corners + p̂.

    Residuals count less within 0.1 of those corners (`importance`), where the inertia of the
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

    Good values: soft walls of weight 1,000; the output layer of one layer of tanh units, `Graded`
    and by LevenbergMarquardt: 800 of spread 5 at Re = 100; 1,400 of spread 7 at Re = 1,000, by way
    of 100 and 400, as it otherwise ends at another minimum.
    """

    outputs: ClassVar = {"psi": 1, "p": 1}

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
        names = ("momentum",) if self.hard else ("momentum", "lid", "walls")
        self.residuals = tuple(r for r in self.residuals if r.name in names)

    @on("lid")
    def lid(self, u: Field) -> Field:
        """u − (1, 0)."""
        return u - (1.0, 0.0)

    @on("walls")
    def walls(self, u: Field) -> Field:
        """u."""
        return u

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The velocity of the stream function, and the pressure, both with the corner flow."""
        # With the derivatives that the networks have, and no others.
        psi, p = self.corners(Field(at.value, seed(at.value, raw["psi"].streams), at.coordinates))
        if self.hard:
            x, y = at[:, 0], at[:, 1]
            psi = psi + (16 * x * (1 - x) * y * (1 - y)) ** 2 * raw["psi"]
        else:
            psi = psi + raw["psi"]
        return {"u": vector(partial(psi, "y"), -partial(psi, "x")), "p": p + raw["p"]}

    def corners(self, at: Field) -> tuple[Field, Field]:
        """ψ of each corner faded out towards the other walls, exact on all four; p of both."""
        left, p_left = corner_flow(at)
        right, p_right = corner_flow(at, mirrored=True)
        # Smooth steps, flat at both ends, so that near a corner its own flow is unchanged.
        x, y = at[:, 0], at[:, 1]
        near_left = (1 - x) ** 2 * (1 + 2 * x)
        near_lid = y**2 * (3 - 2 * y)
        psi = near_lid * (right + near_left * (left - right))
        return psi, (2 / self.reynolds) * (p_left - p_right)

    def importance(self, region: str, at: Tensor) -> Tensor | None:
        """(r²/(r² + 0.1²))² with the distance r to the nearer upper corner."""
        if region != "interior":
            return None
        x, depth = at[:, 0], 1 - at[:, 1]
        squared = torch.minimum(x, 1 - x) ** 2 + depth**2
        return (squared / (squared + CORNER**2)) ** 2

    def reference(self) -> Reference | None:
        """The stored spectral solution, for the Reynolds numbers that have one."""
        return cavity_reference(self.reynolds)


def corner_flow(at: Field, mirrored: bool = False) -> tuple[Field, Field]:
    """Stokes flow in the upper left corner, whose lid slides away from it with unit speed:

        ψ = −(a Y + θ (c Y + d X)),   tan θ = Y/X,   p = 2 ν q,   q = (c Y + d X)/(X² + Y²),

    with X = x along the lid and Y = 1 − y into the depth.

    Args:
        at: the position (N, 2), with derivatives of first order at least.
        mirrored: the upper right corner, X = 1 − x, with the same lid, so that p = −2 ν q.

    Returns:
        ψ, and q one order lower.
    """
    # In the corner itself there is no limit: this gives it the lid's velocity.
    along = (1 - at[:, 0] if mirrored else at[:, 0]) + 1e-12
    depth = 1 - at[:, 1]
    side = -1 if mirrored else 1
    theta = angle(along, depth, (side, -1))
    q = (-side * C) * partial(theta, "x") - D * partial(theta, "y")
    return -(A * depth + theta * (C * depth + D * along)), q


def angle(along: Field, depth: Field, slopes: tuple[int, int]) -> Field:
    """θ = Im ln z,  z = X + iY:   ∂ⁿθ/∂Xⁿ⁻ᵐ∂Yᵐ = (−1)ⁿ⁻¹ (n−1)! Im(iᵐ/zⁿ),   ∇²θ = 0.

    The derivatives are written down: by the chain rule they would take ten times the operations.

    Args:
        along: X, of slope ±1 along the first coordinate.
        depth: Y, of slope ±1 along the second.
        slopes: these slopes.
    """
    X, Y = along.value, depth.value
    squared = X * X + Y * Y
    inverse = (X / squared, -Y / squared)  # 1/z
    powers = [inverse]
    for _ in range(2):
        a, b = powers[-1]
        powers.append((a * inverse[0] - b * inverse[1], a * inverse[1] + b * inverse[0]))

    def derivative(channel: Channel) -> Tensor | None:
        if len(channel) > 1:  # a sum over all axes: θ is harmonic
            return None
        n, m = order(channel), channel[0].count(1)
        sign = (-1) ** (n - 1 + m // 2) * slopes[0] ** (n - m) * slopes[1] ** m
        return sign * math.factorial(n - 1) * powers[n - 1][1 - m % 2]

    streams = {channel: derivative(channel) for channel in along.streams}
    return Field(torch.atan2(Y, X), streams, along.coordinates)


def cavity_reference(reynolds: float) -> Reference | None:
    """The lid-driven cavity on [0, 1]², computed once by a spectral method and shipped.

    The four corners, boxes of side 0.05, are not judged: at the lid's ends the velocity jumps and
    the pressure is singular (no value there), and all error would come from there.

    Args:
        reynolds: Re = U L / ν.

    Returns:
        u, v, p on 101 × 101 points for Re = 100, 400 and 1000, otherwise None. The pressure is
        fixed only up to a constant.
    """
    if reynolds not in STORED:
        return None
    path = files("pinn.problems") / "cavity_data" / f"cavity_re{int(reynolds)}.npz"
    with path.open("rb") as file, np.load(file) as data:
        # [i_x, j_y] flattens to the order of the points: x, axis 0, is the slowest.
        values = {name: torch.from_numpy(data[name]).double().flatten() for name in ("u", "v", "p")}
        x, y = (torch.from_numpy(data[axis]).double() for axis in ("x", "y"))
    at = torch.stack(torch.meshgrid(x, y, indexing="ij"), dim=-1).reshape(-1, 2)
    # A point on the edge of a box belongs to it, whatever the rounding of 1 − 0.95.
    near_end = torch.minimum(at, 1 - at) <= NOT_JUDGED + 1e-9
    source = f"spectral solution of the lid-driven cavity at Re = {int(reynolds)}"
    return Reference(at, values, ~near_end.all(dim=-1), (len(x), len(y)), source)
