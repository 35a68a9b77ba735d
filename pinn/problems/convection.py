"""Flow driven by buoyancy: the Boussinesq equations."""

from importlib.resources import files
from typing import ClassVar, get_args

import numpy as np
import torch
from numpy.polynomial import chebyshev

from pinn.base.messages import one_of
from pinn.fields.field import Field, partial
from pinn.fields.functions import vector
from pinn.fields.vector_calculus import advect, grad, laplacian
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields, Gauge, Problem, in_turn, positive
from pinn.physics.references import Reference
from pinn.physics.residuals import on

STORED = {1e3: "ra1e3", 1e4: "ra1e4", 1e5: "ra1e5", 1e6: "ra1e6"}
AIR = 0.71


class NaturalConvection(Problem):
    """Steady flow of a fluid in the unit square between a hot and a cold wall:

    (u·∇)u + ∇p − √(Pr/Ra) ∇²u − T e_y = 0,   u = (∂ψ/∂y, −∂ψ/∂x),
    (u·∇)T − (1/√(Ra Pr)) ∇²T = 0,
    T = 1 on x = 0,   T = 0 on x = 1,   ∂T/∂y = 0 on y = 0 and 1,   u = 0 on all walls.
    """

    coordinates = ("x", "y")
    unknowns: ClassVar = {"u": ("u", "v"), "p": 1, "T": 1}
    outputs: ClassVar = {"psi": 1, "p": 1, "T": 1}
    divergence_free = ("u",)

    rayleigh: float

    def __init__(
        self,
        rayleigh: float | list[float] = 1e4,
        prandtl: float = AIR,
        gauge: Gauge = "zero_mean",
    ) -> None:
        super().__init__(Rectangle().named(sides=("left", "right"), insulated=("bottom", "top")))
        self.prandtl = positive("prandtl", prandtl)
        self.stages = in_turn("rayleigh", rayleigh)
        self.enter(0)
        one_of("gauge", gauge, get_args(Gauge))
        self.gauges = {"p": gauge}

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
    def insulation(self, T: Field, normal: Field) -> Field:
        """∂T/∂n."""
        return (grad(T) * normal).sum(-1)

    @property
    def speed(self) -> float:
        """√(Ra Pr), the free-fall speed in units of α/L."""
        return (self.rayleigh * self.prandtl) ** 0.5

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The velocity of the stream function; the temperature with its values at the sides."""
        psi, x = raw["psi"], at[:, 0]
        temperature = 1 - x + 4 * x * (1 - x) * raw["T"]
        return {
            "u": vector(partial(psi, "y"), -partial(psi, "x")),
            "p": raw["p"],
            "T": temperature,
        }

    def reference(self) -> Reference | None:
        """The stored spectral solution, for the Rayleigh numbers of air that have one."""
        if self.rayleigh not in STORED or self.prandtl != AIR:
            return None
        path = files("pinn.problems") / "convection_data" / f"square_{STORED[self.rayleigh]}.npz"
        with path.open("rb") as file, np.load(file) as data:
            psi, T = data["psi"], data["T"]
        x = np.linspace(-1.0, 1.0, 101)
        u, v = (
            2 * s * chebyshev.chebgrid2d(x, x, chebyshev.chebder(psi, axis=a))
            for s, a in ((1, 1), (-1, 0))
        )
        values = {"u": u, "v": v, "T": chebyshev.chebgrid2d(x, x, T)}
        at = self.geometry.grid(101)
        source = f"spectral solution of natural convection at Ra = {self.rayleigh:g}"
        return Reference(
            at,
            {name: torch.from_numpy(value).flatten() for name, value in values.items()},
            torch.ones(len(at), dtype=torch.bool),
            (101, 101),
            source,
        )
