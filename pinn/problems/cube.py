"""Flow in a cube whose lid slides: the benchmark of incompressible flow in space."""

import csv
import math
from importlib.resources import files
from typing import ClassVar, get_args

import torch
from torch import Tensor

from pinn.base.messages import one_of
from pinn.fields.field import Field, partial, seed
from pinn.fields.functions import atan, log, sqrt, vector
from pinn.fields.vector_calculus import advect, grad, laplacian
from pinn.geometry import Box
from pinn.physics.problem import Fields, Gauge, Problem, in_turn
from pinn.physics.references import Reference
from pinn.physics.residuals import on
from pinn.problems.cavity import A, C, D

EDGE = 0.2  # distance to the edges of the lid within which residuals count less
STORED = (100, 400)  # Reynolds numbers of the stored centre lines
NEAR = 1e-9  # at the edges themselves there is no limit: this gives the lid's velocity


class LidDrivenCube(Problem):
    """Steady flow in the unit cube, driven by its lid:

        (u·∇)u + ∇p − (1/Re) ∇²u = 0,   u = ∇×(0, a_y, a_z),
        u = (1, 0, 0) on y = 1 right up to the edges,   u = 0 on the other walls.

    Symbols: velocity u = (u, v, w) → `u`, kinematic pressure p → `p`, Re = U L / ν → `reynolds`;
    non-dimensional by the lid's speed U and the side L, pressure by U². The networks give two
    components of a vector potential and p, so that ∇·u = 0 holds everywhere.

    The flow is symmetric about z = ½, and the domain is the half 0 < z < ½: on its face `middle`
    ∂u/∂z = ∂v/∂z = w = 0.

    The velocity jumps at the edges of the lid. The ansatz carries a flow that has the velocity of
    all walls (`edges`): at x = 0 and 1 the Stokes flow of the corner, ψ(x, y) as in
    `LidDrivenCavity`, and at z = 0 a factor g = (2/π) arctan(z/Y), Y = 1 − y, which is harmonic
    there and goes over to 1 at z = ½:

        a_z = ψ g,   a_y = χ ψ ∫ ∂g/∂y dz,   χ = 1 − (1 − 2x)⁸,   so that where χ = 1   u = g ∂ψ/∂y.

    What the networks add has to vanish on the walls, which are residuals, to be weighted.
    Residuals in the interior count less within 0.2 of those edges (`importance`), since features
    are as wide as that.

    Data it may use: the velocity of the walls. Pressure is fixed by the gauge.

    Args:
        reynolds: Reynolds number Re > 0, or several in turn; there are references for 100 and 400.
        gauge: how the constant of the pressure is chosen.

    Raises:
        ValueError: Re is not positive, or the gauge is unknown.

    Reference:
        S. Albensoeder, H. C. Kuhlmann, J. Comput. Phys. 206 (2005) 536–558,
        doi:10.1016/j.jcp.2004.12.024, for the benchmark. The numbers here are those of finite
        volumes at three resolutions, `benchmarks/cavity_3d_reference.py`: u and v on the two
        centre lines x = z = ½ and y = z = ½.

    Good values: there are none yet. With the output layer of 1,000 tanh units of spread 1, 2,197
    interior Gauss points, 980 on the faces with weight 100, and 8 steps of LevenbergMarquardt the
    flow at Re = 100 has the right picture. On the centre lines its relative errors are 3.3 % (u)
    and 8 % (v), the largest difference is 0.019; two minutes of one core. Of the spreads 3, 2, 1.5
    and 1 the last has the smallest residuals at other points. Re = 400 was not tried.
    """

    coordinates = ("x", "y", "z")
    unknowns: ClassVar = {"u": ("u", "v", "w"), "p": 1}
    outputs: ClassVar = {"a": ("a_y", "a_z"), "p": 1}
    divergence_free = ("u",)

    reynolds: float

    def __init__(self, reynolds: float | list[float] = 100.0, gauge: Gauge = "zero_mean") -> None:
        super().__init__(
            Box(z=(0.0, 0.5)).named(
                lid="top", walls=("left", "right", "bottom", "back"), middle="front"
            )
        )
        self.stages = in_turn("reynolds", reynolds)
        self.enter(0)
        one_of("gauge", gauge, get_args(Gauge))
        self.gauges = {"p": gauge}

    @on("interior")
    def momentum(self, u: Field, p: Field) -> Field:
        """(u·∇)u + ∇p − (1/Re) ∇²u."""
        return advect(u, u) + grad(p) - laplacian(u) / self.reynolds

    @on("lid")
    def lid(self, u: Field) -> Field:
        """u − (1, 0, 0)."""
        return u - (1.0, 0.0, 0.0)

    @on("walls")
    def walls(self, u: Field) -> Field:
        """u."""
        return u

    @on("middle")
    def symmetry(self, u: Field) -> Field:
        """(∂u/∂z, ∂v/∂z, w)."""
        return vector(partial(u[:, 0], "z"), partial(u[:, 1], "z"), u[:, 2])

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The velocity ∇×(0, a_y, a_z), and the pressure, both with the flow at the edges."""
        # With the derivatives that the networks have, and no others.
        here = Field(at.value, seed(at.value, raw["a"].streams), at.coordinates)
        y_edge, z_edge, p_edge = self.edges(here)
        a_y, a_z = raw["a"][:, 0] + y_edge, raw["a"][:, 1] + z_edge
        u = vector(partial(a_z, "y") - partial(a_y, "z"), -partial(a_z, "x"), partial(a_y, "x"))
        return {"u": u, "p": raw["p"] + p_edge}

    def edges(self, at: Field) -> tuple[Field, Field, Field]:
        """a_y, a_z and p of the flow at the edges of the lid; it has the velocity of all walls."""
        x, depth, z = at[:, 0], 1 - at[:, 1] + NEAR, at[:, 2] + NEAR
        left, p_left = corner_flow(x + NEAR, depth)
        right, p_right = corner_flow(1 - x + NEAR, depth)
        near_left = (1 - x) ** 2 * (1 + 2 * x)
        near_lid = (1 - depth) ** 2 * (1 + 2 * depth)
        psi = near_lid * (right + near_left * (left - right))
        across, turned = side_flow(z, depth)
        pressure = (2 / self.reynolds) * across * (p_left - p_right)
        turning = 1 - (1 - 2 * x) ** 8  # at x = 0 and 1 the flow is that of the corner, w = 0
        return turning * psi * turned, psi * across, pressure

    def importance(self, region: str, at: Tensor) -> Tensor | None:
        """(r²/(r² + 0.2²))² with the distance r to the nearest edge of the lid."""
        if region != "interior":
            return None
        x, depth, z = at[:, 0], 1 - at[:, 1], at[:, 2]
        squared = torch.minimum(torch.minimum(x, 1 - x), z) ** 2 + depth**2
        return (squared / (squared + EDGE**2)) ** 2

    def reference(self) -> Reference | None:
        """The stored velocity on two centre lines, for the Reynolds numbers that have one."""
        if self.reynolds not in STORED:
            return None
        path = files("pinn.problems") / "cavity_data" / f"cube_re{int(self.reynolds)}.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
        table = {
            name: torch.tensor([float(row[name]) for row in rows], dtype=torch.float64)
            for name in ("x", "y", "z", "u", "v")
        }
        at = torch.stack([table[name] for name in self.coordinates], dim=-1)
        source = f"finite volumes on two centre lines of the cube at Re = {int(self.reynolds)}"
        values = {name: table[name] for name in ("u", "v")}
        return Reference(at, values, torch.ones(len(at), dtype=torch.bool), (len(at),), source)


def corner_flow(X: Field, Y: Field) -> tuple[Field, Field]:
    """ψ = −(a Y + θ (c Y + d X)) and q = (c Y + d X)/(X² + Y²), see `cavity.corner_flow`."""
    shear = C * Y + D * X
    return -(A * Y + angle(X, Y) * shear), shear / (X * X + Y * Y)


def side_flow(z: Field, depth: Field) -> tuple[Field, Field]:
    """g = 1 − s (2/π) arctan(Y/z),  s = 1 − 12 z² + 16 z³,  and ∫ ∂g/∂y dz from z = 0 on."""
    theta = angle(z, depth)
    g = 1 - (1 - 12 * z**2 + 16 * z**3) * (2 / math.pi) * theta
    L = log(1 + (z / depth) ** 2)
    integral = L / 2 - 6 * (z**2 - depth**2 * L)
    integral = integral + 16 * (z**3 / 3 - depth**2 * z + depth**3 * (math.pi / 2 - theta))
    return g, (2 / math.pi) * integral


def angle(X: Field, Y: Field) -> Field:
    """θ in [0, π/2] of X, Y ≥ 0,  tan θ = Y/X."""
    return 2 * atan(Y / (sqrt(X * X + Y * Y) + X))
