"""Flow driven by buoyancy: the Boussinesq equations."""

from importlib.resources import files
from typing import ClassVar, get_args

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebder, chebgrid2d

from pinn.base.messages import one_of
from pinn.fields.field import Field, partial
from pinn.fields.functions import vector
from pinn.fields.integrals import integral, mean
from pinn.fields.normals import dn
from pinn.fields.vector_calculus import advect, grad, laplacian
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields, Gauge, Problem, in_turn, positive
from pinn.physics.quantities import quantity
from pinn.physics.references import Reference
from pinn.physics.residuals import on

AIR = 0.71
# Rayleigh number → the Nusselt number of the stored spectral solution, with Pr = 0.71.
STORED = {1e3: 1.1177897, 1e4: 2.2448158, 1e5: 4.521636, 1e6: 8.82520}


class NaturalConvection(Problem):
    """Steady flow in the unit square between a hot and a cold wall, by the Boussinesq equations:

        (u·∇)u + ∇p − √(Pr/Ra) ∇²u = T e_y,   u = (∂ψ/∂y, −∂ψ/∂x),
        (u·∇)T = (1/√(Ra Pr)) ∇²T,     Ra = g β ΔT L³/(ν α),   Pr = ν/α,
        T = 1 on x = 0,   T = 0 on x = 1,   ∂T/∂y = 0 on y = 0 and 1,   u = 0 on all walls.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, temperature T → `T`, Ra →
    `rayleigh`, Pr → `prandtl`. Non-dimensional by the side L, the difference ΔT of the walls'
    temperatures and the free-fall speed √(g β ΔT L) = √(Ra Pr) α/L → `speed`, pressure by its
    square: with it all terms are of order one at any Ra. Tables are often in units of α/L: multiply
    the velocity by `speed`. The networks give the stream function ψ → `psi`, p and T̂, with

        T = 1 − x + 4 x (1 − x) T̂,

    so that ∇·u = 0 and the temperatures of the walls hold everywhere. No slip and the insulation
    are residuals.

    Data it may use: the conditions on the four walls. Pressure is fixed by the gauge.

    The Nusselt number, the heat that passes in units of what would be conducted, is the mean of
    −∂T/∂x over the hot wall: `nusselt`. It is also the mean of √(Ra Pr) u T − ∂T/∂x over the
    square, `nusselt_inside`; how far the two are apart shows the error without a reference.

    Source: G. de Vahl Davis, Int. J. Numer. Methods Fluids 3 (1983) 249–264,
    doi:10.1002/fld.1650030305. The Nusselt numbers here are more accurate than those: of a spectral
    solution at two resolutions, `benchmarks/convection_reference.py`.

    Good values: the output layer of 1,000 tanh units of spread 6, `Graded`, on 1,600 interior Gauss
    points; weight 100 on `walls` and 10 on `insulation`; up to 20 steps of LevenbergMarquardt for
    each of Ra = 10³, 10⁴, 10⁵ and 10⁶. The Nusselt number then has errors of 4e-8, 1e-8, 4e-7 and
    1.4e-4, the velocity u 3e-6, 7e-6, 3e-5 and 4e-4. The weights are those that left the smallest
    residuals at other points. Seed 0; five minutes of one core.

    Args:
        rayleigh: Rayleigh number Ra > 0, or several in turn. From 10⁵ on by way of smaller ones.
        prandtl: Prandtl number Pr > 0; 0.71 is air, for which there is a reference.
        gauge: how the constant of the pressure is chosen.

    Raises:
        ValueError: Ra or Pr is not positive, or the gauge is unknown.
    """

    coordinates = ("x", "y")
    unknowns: ClassVar = {"u": ("u", "v"), "p": 1, "T": 1}
    outputs: ClassVar = {"psi": 1, "p": 1, "T": 1}
    divergence_free = ("u",)
    continuation = "rayleigh"

    rayleigh: float

    def __init__(
        self,
        rayleigh: float | list[float] = 1e4,
        prandtl: float = AIR,
        gauge: Gauge = "zero_mean",
    ) -> None:
        super().__init__(Rectangle().named(hot="left", cold="right", insulated=("bottom", "top")))
        self.stages = in_turn("rayleigh", rayleigh)
        self.enter(0)
        self.prandtl = positive("prandtl", prandtl)
        one_of("gauge", gauge, get_args(Gauge))
        self.gauges = {"p": gauge}

    @property
    def speed(self) -> float:
        """√(Ra Pr), the free-fall speed in units of α/L."""
        return (self.rayleigh * self.prandtl) ** 0.5

    @on("interior")
    def momentum(self, u: Field, p: Field, T: Field) -> Field:
        """(u·∇)u + ∇p − √(Pr/Ra) ∇²u − T e_y."""
        viscosity = (self.prandtl / self.rayleigh) ** 0.5
        return advect(u, u) + grad(p) - viscosity * laplacian(u) - vector(0 * T, T)

    @on("interior")
    def energy(self, u: Field, T: Field) -> Field:
        """(u·∇)T − (1/√(Ra Pr)) ∇²T."""
        return advect(u, T) - laplacian(T) / self.speed

    @on("boundary")
    def walls(self, u: Field) -> Field:
        """u."""
        return u

    @on("insulated")
    def insulation(self, T: Field) -> Field:
        """∂T/∂n."""
        return dn(T)

    @quantity(reference=lambda self: self.known, source="spectral solution")
    def nusselt(self, T: Field) -> Field:
        """∫ −∂T/∂x dy over the hot wall."""
        return integral(dn(T), on="hot")

    @quantity(reference=lambda self: self.known, source="spectral solution")
    def nusselt_inside(self, u: Field, T: Field) -> Field:
        """∫∫ (√(Ra Pr) u T − ∂T/∂x) dx dy."""
        return mean(self.speed * u[:, 0] * T - grad(T)[:, 0], on="interior")

    @property
    def known(self) -> float | None:
        """The Nusselt number of the stored solution, for the Rayleigh numbers that have one."""
        return STORED.get(self.rayleigh) if self.prandtl == AIR else None

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The velocity of the stream function; the temperature with those of the walls."""
        psi, x = raw["psi"], at[:, 0]
        return {
            "u": vector(partial(psi, "y"), -partial(psi, "x")),
            "p": raw["p"],
            "T": 1 - x + 4 * x * (1 - x) * raw["T"],
        }

    def reference(self) -> Reference | None:
        """The stored spectral solution: u, v and T on 101 × 101 points."""
        return None if self.known is None else convection_reference(self.rayleigh)


def convection_reference(rayleigh: float) -> Reference:
    """Natural convection of air on [0, 1]², computed once by a spectral method and shipped.

    Args:
        rayleigh: Ra, one of `STORED`.

    Returns:
        u, v and T on 101 × 101 points.
    """
    name = f"square_ra1e{round(np.log10(rayleigh))}.npz"
    path = files("pinn.problems") / "convection_data" / name
    with path.open("rb") as file, np.load(file) as data:
        psi, T = data["psi"], data["T"]
    s = np.linspace(-1.0, 1.0, 101)  # 2x − 1, so d/dx = 2 d/ds
    u = 2 * chebgrid2d(s, s, chebder(psi, axis=1))
    v = -2 * chebgrid2d(s, s, chebder(psi, axis=0))
    fields = {"u": u, "v": v, "T": chebgrid2d(s, s, T)}
    values = {name: torch.from_numpy(field).flatten() for name, field in fields.items()}
    line = torch.from_numpy(s + 1).double() / 2
    # [i_x, j_y] flattens to the order of the points: x, axis 0, is the slowest.
    at = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1).reshape(-1, 2)
    source = f"spectral solution of natural convection at Ra = {rayleigh:g}"
    return Reference(at, values, torch.ones(len(at), dtype=torch.bool), (len(s), len(s)), source)
