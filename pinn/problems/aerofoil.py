"""Potential flow about an aerofoil."""

import math
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from pinn.fields.field import Field, partial
from pinn.fields.functions import vector
from pinn.fields.integrals import integral, value
from pinn.fields.vector_calculus import curl
from pinn.geometry import Disc, Polygon
from pinn.geometry.chain import points_in
from pinn.physics.problem import Fields, Problem
from pinn.physics.quantities import quantity
from pinn.physics.references import Reference, comparison_points
from pinn.physics.residuals import on

SHIPPED = "joukowski.csv"
CENTRE = -0.1 + 0.1j  # of the circle whose image the shipped profile is
TURN = math.asin(CENTRE.imag / abs(1 - CENTRE))  # β
FAR = 2.0  # the radius of the domain, in chords
BEHIND = 1e-3  # of the trailing edge, in chords: where Kutta's condition is asked for


class Aerofoil(Problem):
    """Plane potential flow about an aerofoil, with the circulation Γ of Kutta's condition:

        ∇×u = 0,   u = (∂ψ/∂y, −∂ψ/∂x),   u·n = 0 on the aerofoil,
        u − iv = e^{−iα} + iΓ/(2πζ) + d/ζ² + O(ζ⁻³) far away,   ζ = x + iy − (the middle),
        u·m = 0 just behind the trailing edge, m across the line that halves it.

    Symbols: velocity u = (u, v) → `u`, angle of attack α → `angle`, circulation Γ, clockwise →
    `circulation`, the doublet d → `doublet`; Γ and d are found with the flow. Non-dimensional by
    the speed U far away and the units of the points. The network gives the stream function
    ψ − y cos α + x sin α → `psi`, so that ∇·u = 0 holds everywhere. A flow around the edge would be
    infinite there and cross the line; Kutta's condition leaves the one flow that does not.

    Data it may use: the points of the aerofoil, and the velocity far away.

    Args:
        file: a table with the columns x and y, or two numbers per line, the points of the aerofoil
            in order; its trailing edge, of largest x, is one point, or the last and the first one.
            By default the Joukowski profile that comes along.
        angle: α in degrees.

    Reference: for the profile that comes along, the map of Joukowski: L. M. Milne-Thomson,
    "Theoretical Aerodynamics", 4th ed. (1966), chapter VII. Of other profiles the usual method is
    that of J. L. Hess, A. M. O. Smith, "Calculation of potential flow about arbitrary bodies",
    Prog. Aerosp. Sci. 8 (1967) 1–138, doi:10.1016/0376-0421(67)90003-6.

    Good values: 400 tanh units of spread 1, `Polar`, 2,500 interior points refined to the aerofoil
    within 0.5, weight 100 on the conditions, 8 steps of Levenberg–Marquardt on the output layer:
    the lift is 0.1 % off, u 9e-4, v, which is small, 9e-3.

    Raises:
        ValueError: the file is no table of points, or α is not between −90 and 90.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    unknowns: ClassVar = {"u": ("u", "v")}
    outputs: ClassVar = {"psi": 1}
    divergence_free = ("u",)

    def __init__(self, file: str | Path | None = None, angle: float = 5.0) -> None:
        if not -90 < angle < 90:
            raise ValueError(f"angle is {angle}: give an angle between -90 and 90 degrees")
        shipped = Path(str(files("pinn.problems"))) / "aerofoil_data" / SHIPPED
        points = points_in(shipped if file is None else file)
        low, high = points.min(axis=0), points.max(axis=0)
        self.chord, middle = float(high[0] - low[0]), (0.5 * (low + high)).tolist()
        domain = Disc(middle, FAR * self.chord, name="far")
        super().__init__(domain - Polygon(points.tolist(), smooth=True, name="aerofoil"))
        edge, self.leaving = trailing_edge(points)
        away = BEHIND * self.chord
        self.behind = [x + away * n for x, n in zip(edge, self.leaving, strict=True)]
        self.angle, self.middle, self.is_shipped = math.radians(angle), middle, file is None
        self.circulation = nn.Parameter(torch.tensor(0.0))
        self.doublet = nn.Parameter(torch.zeros(2))

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The velocity of the stream function."""
        psi = math.cos(self.angle) * at[:, 1] - math.sin(self.angle) * at[:, 0] + raw["psi"]
        return {"u": vector(partial(psi, "y"), -partial(psi, "x"))}

    @on("interior")
    def irrotational(self, u: Field) -> Field:
        """∇×u."""
        return curl(u)

    @on("aerofoil")
    def impermeable(self, u: Field, normal: Field) -> Field:
        """u·n."""
        return normal @ u

    @on("aerofoil")
    def kutta(self, u: Field) -> Field:
        """u·m just behind the trailing edge."""
        there, (along, across) = value(u, at=self.behind), self.leaving
        return along * there[:, 1] - across * there[:, 0]

    @on("far")
    def far_away(self, u: Field, x: Field, y: Field) -> Field:
        """u − u∞, with Γ and d."""
        X, Y = x - self.middle[0], y - self.middle[1]
        square = X * X + Y * Y
        vortex, c, s = self.circulation / (2 * math.pi), X * X - Y * Y, 2 * X * Y
        a, b = self.doublet[0], self.doublet[1]
        along = math.cos(self.angle) + vortex * Y / square + (a * c + b * s) / square**2
        across = math.sin(self.angle) - vortex * X / square - (b * c - a * s) / square**2
        return u - vector(along, across)

    def known_lift(self) -> float | None:
        """2Γ/(U L) by the map of Joukowski, of the profile that comes along."""
        return 2 * shipped_circulation(self.angle) / self.chord if self.is_shipped else None

    @quantity(reference=known_lift, source="the map of Joukowski")
    def lift(self, u: Field, normal: Field) -> Field:
        """c_L = ∮ c_p n·l ds / L,  c_p = 1 − |u|²,  n into the aerofoil, l across the flow."""
        pressure = 1 - (u * u).sum(-1)
        lifting = normal[:, 1] * math.cos(self.angle) - normal[:, 0] * math.sin(self.angle)
        return integral(pressure * lifting, on="aerofoil") / self.chord

    def reference(self) -> Reference | None:
        """The velocity by the map of Joukowski, of the profile that comes along."""
        if not self.is_shipped:
            return None
        at, shape = comparison_points(self.geometry)
        judged = self.geometry.contains(at)
        velocity = shipped_velocity(at[:, 0].numpy() + 1j * at[:, 1].numpy(), self.angle)
        values = {"u": torch.from_numpy(velocity.real), "v": torch.from_numpy(-velocity.imag)}
        return Reference(at, values, judged, shape, "the map of Joukowski")


def trailing_edge(points: np.ndarray) -> tuple[list[float], list[float]]:
    """The place of largest x, and the unit vector out of it that halves the angle of its sides."""
    if np.array_equal(points[0], points[-1]):
        points = points[:-1]
    (last,) = np.nonzero(points[:, 0] == points[:, 0].max())
    edge = points[last].mean(axis=0)
    others = np.setdiff1d(np.concatenate([last - 1, last + 1]) % len(points), last)
    sides = edge - points[others]
    out = (sides / np.linalg.norm(sides, axis=1, keepdims=True)).sum(axis=0)
    return edge.tolist(), (out / np.linalg.norm(out)).tolist()


def profile(share: np.ndarray) -> np.ndarray:
    """The points (N, 2) of the profile z = s + 1/s that comes along, from the trailing edge on.

    Args:
        share: of the turn around the circle, from 0 to 1.
    """
    radius = abs(1 - CENTRE)
    s = CENTRE + radius * np.exp(1j * (2 * np.pi * share - TURN))
    z = s + 1 / s
    return np.stack([z.real, z.imag], axis=-1)


def shipped_circulation(angle: float) -> float:
    """Γ = 4π A U sin(α + β), clockwise."""
    return 4 * math.pi * abs(1 - CENTRE) * math.sin(angle + TURN)


def shipped_velocity(z: np.ndarray, angle: float) -> np.ndarray:
    """u − iv = (e^{−iα} − A² e^{iα}/(s−s₀)² + iΓ/(2π(s−s₀))) / (1 − 1/s²);  NaN inside."""
    root = np.sqrt(z / 2 - 1) * np.sqrt(z / 2 + 1)
    s = z / 2 + root
    other = z / 2 - root
    s = np.where(abs(other - CENTRE) > abs(s - CENTRE), other, s)
    radius, from_centre = abs(1 - CENTRE), s - CENTRE
    gamma = shipped_circulation(angle)
    with np.errstate(all="ignore"):
        flow = np.exp(-1j * angle) - radius**2 * np.exp(1j * angle) / from_centre**2
        flow = (flow + 1j * gamma / (2 * np.pi * from_centre)) / (1 - 1 / s**2)
    return np.where(abs(from_centre) < radius * (1 - 1e-12), np.nan, flow)
