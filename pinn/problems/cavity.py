"""Flow in a box whose lid slides: the benchmark of incompressible flow."""

import math
from importlib.resources import files
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pinn.algebra.channels import HIGHEST, Channel, order
from pinn.base.messages import one_of
from pinn.fields.field import Field, partial, seed
from pinn.fields.functions import log, vector
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
# Reynolds numbers of the stored solutions, by the profile of the lid's speed.
STORED = {"uniform": (100, 400, 1000, 3200, 5000), "parabolic": (100,)}
NOT_JUDGED = 0.05  # side of the boxes at the corners, or width of the rim, that errors leave out
Profile = Literal["uniform", "parabolic"]


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

    With `profile="parabolic"` the lid moves at u = (4x(1−x), 0). The velocity is continuous then,
    the vorticity is not; the corner flow that is taken out is that of a lid that moves at 4x.

    Data it may use: the velocity of the four walls. Pressure is fixed by the gauge.

    Args:
        reynolds: Reynolds number Re > 0, or several in turn.
        walls: `hard` builds the walls into the ansatz; `soft` makes them residuals `lid` and
            `walls`, to be weighted.
        gauge: how the constant of the pressure is chosen.
        profile: the lid moves at 1 all along, `uniform`, or at 4x(1−x), `parabolic`.

    Raises:
        ValueError: `walls` or `profile` is unknown.

    Reference:
        The corner flow: G. I. Taylor, "On scraping viscous fluid from a plane surface" (1962);
        H. K. Moffatt, J. Fluid Mech. 18 (1964) 1–18, doi:10.1017/S0022112064000015. The benchmark:
        O. Botella, R. Peyret, Computers & Fluids 27 (1998) 421–433,
        doi:10.1016/S0045-7930(98)00002-4.

    Good values: `accuracy` of 1e-3. Or soft walls of weight 1,000; the output layer of one layer of
    tanh units, `Graded` and by LevenbergMarquardt: 800 of spread 5 at Re = 100; 1,400 of spread 7
    at Re = 1,000, by way of 100 and 400, as it otherwise ends at another minimum.
    """

    outputs: ClassVar = {"psi": 1, "p": 1}

    def __init__(
        self,
        reynolds: float | list[float] = 100.0,
        walls: Literal["hard", "soft"] = "hard",
        gauge: Gauge = "zero_mean",
        profile: Profile = "uniform",
    ) -> None:
        geometry = Rectangle().named(lid="top", walls=("left", "right", "bottom"))
        super().__init__(geometry, reynolds, gauge)
        if walls not in ("hard", "soft"):
            raise ValueError(f"walls is {walls!r}: expected 'hard' or 'soft'")
        one_of("profile", profile, get_args(Profile))
        self.profile = profile
        self.hard = walls == "hard"
        names = ("momentum",) if self.hard else ("momentum", "lid", "walls")
        self.residuals = tuple(r for r in self.residuals if r.name in names)

    @on("lid")
    def lid(self, u: Field, at: Field) -> Field:
        """u − (1, 0), or u − (4x(1−x), 0)."""
        if self.profile == "uniform":
            return u - (1.0, 0.0)
        x = at[:, 0]
        return u - vector(4 * x * (1 - x), 0 * x)

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
        flow = corner_flow if self.profile == "uniform" else parabolic_corner_flow
        left, p_left = flow(at)
        right, p_right = flow(at, mirrored=True)
        # Smooth steps, flat at both ends, so that near a corner its own flow is unchanged.
        x, y = at[:, 0], at[:, 1]
        near_left = (1 - x) ** 2 * (1 + 2 * x)
        near_lid = y**2 * (3 - 2 * y)
        psi = near_lid * (right + near_left * (left - right))
        if self.profile == "parabolic":
            sum_of_both = 4 * (1 - x) + near_left * (8 * x - 4)
            psi = psi + y**2 * (y - 1) * (4 * x * (1 - x) - sum_of_both)
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
        return cavity_reference(self.reynolds, self.profile)


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


def parabolic_corner_flow(at: Field, mirrored: bool = False) -> tuple[Field, Field]:
    """Stokes flow in the upper left corner, whose lid moves at 4X:

        ψ = −2 (θ (X² + Y²) + X Y − (π/2) Y²),   tan θ = Y/X,   p = 2 ν q,   q = 2 ln(X² + Y²).

    Args:
        at: the position (N, 2), with derivatives of first order at least.
        mirrored: the upper right corner, X = 1 − x, so that p = −2 ν q.

    Returns:
        ψ, and q.
    """
    along = (1 - at[:, 0] if mirrored else at[:, 0]) + 1e-12
    depth = 1 - at[:, 1]
    theta = angle(along, depth, (-1 if mirrored else 1, -1))
    squared = along * along + depth * depth
    psi = -2 * (theta * squared + along * depth - (math.pi / 2) * depth * depth)
    return psi, 2 * log(squared)


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
    for _ in range(HIGHEST - 1):
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


def cavity_reference(reynolds: float, profile: Profile = "uniform") -> Reference | None:
    """The lid-driven cavity on [0, 1]², computed once by two methods and shipped.

    Below a uniform lid the four corners, boxes of side 0.05, are not judged: at the lid's ends the
    velocity jumps and the pressure is singular (no value there), and all error would come from
    there. Below a parabolic lid 0.05 ≤ x, y ≤ 0.95 is judged.

    Args:
        reynolds: Re = U L / ν, one of `STORED`.
        profile: of the lid's speed.

    Returns:
        u and v on 101 × 101 points, and p for Re ≤ 1000 below a uniform lid, fixed only up to a
        constant; None at other Reynolds numbers.
    """
    if reynolds not in STORED[profile]:
        return None
    kind = "" if profile == "uniform" else f"{profile}_"
    path = files("pinn.problems") / "cavity_data" / f"cavity_{kind}re{int(reynolds)}.npz"
    with path.open("rb") as file, np.load(file) as data:
        # [i_x, j_y] flattens to the order of the points: x, axis 0, is the slowest.
        names = [name for name in ("u", "v", "p") if name in data.files]
        values = {name: torch.from_numpy(data[name]).double().flatten() for name in names}
        x, y = (torch.from_numpy(data[axis]).double() for axis in ("x", "y"))
    at = torch.stack(torch.meshgrid(x, y, indexing="ij"), dim=-1).reshape(-1, 2)
    near, rim = torch.minimum(at, 1 - at), 1e-9  # whatever the rounding of 1 − 0.95
    if profile == "uniform":  # a point on the edge of a box belongs to it
        judged = ~(near <= NOT_JUDGED + rim).all(dim=-1)
    else:
        judged = (near >= NOT_JUDGED - rim).all(dim=-1)
    method = "spectral" if "p" in values else "spline"
    source = f"{method} solution of the lid-driven cavity at Re = {int(reynolds)}"
    return Reference(at, values, judged, (len(x), len(y)), source)
