"""The Poisson equation:  ∇²u = f."""

import math
from typing import ClassVar

from pinn.fields.field import Field
from pinn.fields.functions import sin
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields, Problem
from pinn.physics.residuals import on


class Poisson(Problem):
    """Poisson's equation on the unit square, with a standing wave as its solution:

        ∇²u = f,   f = −2(πk)² sin πkx sin πky,   u = 0 on the boundary;
        u = sin πkx sin πky.

    Symbols: potential u → `u`, wavenumber k → `wavenumber`. Non-dimensional by the side of the
    square and the amplitude of u.

    Data it may use: the source f everywhere, and u = 0 on the boundary.

    Source: manufactured; for networks on it see M. W. M. G. Dissanayake, N. Phan-Thien,
    "Neural-network-based approximations for solving partial differential equations", Commun.
    Numer. Methods Eng. 10 (1994) 195–201, doi:10.1002/cnm.1640100303.

    Good values: k = 1 with 400 tanh units of spread 2, 900 interior and 160 boundary Gauss points,
    weight 1000 on `boundary`, 12 steps of Levenberg–Marquardt on the output layer: 4e-11.

    Args:
        wavenumber: half-waves along each side, k ≥ 1; 1 trains in seconds, 4 is hard for an
            unmodified MLP.

    Raises:
        ValueError: the wavenumber is not a whole number of at least 1, so that u would not vanish
            on the boundary.
    """

    coordinates = ("x", "y")
    unknowns: ClassVar = {"u": 1}

    def __init__(self, wavenumber: int = 1) -> None:
        super().__init__(Rectangle())
        if wavenumber < 1 or wavenumber != int(wavenumber):
            raise ValueError(f"wavenumber is {wavenumber}: it must be 1, 2, 3, …")
        self.wavenumber = int(wavenumber)

    @on("interior")
    def balance(self, u: Field, at: Field) -> Field:
        """∇²u − f."""
        return laplacian(u) - self.source(at)

    @on("boundary")
    def boundary(self, u: Field) -> Field:
        """u − 0."""
        return u

    def source(self, at: Field) -> Field:
        """f = −2(πk)² sin πkx sin πky as (N,)."""
        k = math.pi * self.wavenumber
        return -2 * k**2 * sin(k * at[:, 0]) * sin(k * at[:, 1])

    def exact(self, at: Field) -> Fields:
        """u = sin πkx sin πky as (N,)."""
        k = math.pi * self.wavenumber
        return {"u": sin(k * at[:, 0]) * sin(k * at[:, 1])}
