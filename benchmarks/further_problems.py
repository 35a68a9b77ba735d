"""Six further problems, of other kinds than those of the package, with exact or computed solutions.

They were written to judge rules that were settled on other problems: nobody chose a setting by
them. No configuration is shipped for them.

    HelmholtzL         waves in an L-shape:  ∇²u + k²u = 0
    GrayScott          two substances that react and diffuse
    StokesAnnulus      creeping flow between two circles
    KortewegDeVries    two solitary waves, one overtaking the other: third order
    UnevenDiffusion    ∇·(k ∇u) = f in an ellipse, with k from 0.37 to 2.7
    DarcyPlate         flow through a porous plate with a hole, as a system of first order
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from etdrk4 import advanced, factors

from pinn import (
    Disc,
    Ellipse,
    Interval,
    Polygon,
    Problem,
    Rectangle,
    cos,
    div,
    dot,
    dt,
    exp,
    grad,
    laplacian,
    log,
    on,
    partial,
    periodic,
    sin,
    vector,
)
from pinn.fields.field import Field, coordinate_field
from pinn.physics.problem import Fields
from pinn.physics.references import Reference

WAVES = ((0.3, 0.9, 1.0), (1.4, 2.1, -0.7), (2.5, 0.2, 0.5), (4.0, 5.0, 0.9), (5.1, 3.3, -0.4))
L_SHAPE = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 1.0), (1.0, 2.0), (0.0, 2.0))


class HelmholtzL(Problem):
    """∇²u + k²u = 0 in an L-shape, u given on the boundary;  u = Σ aⱼ cos(k eⱼ·x + φⱼ)."""

    coordinates, unknowns = ("x", "y"), {"u": 1}
    geometry = Polygon(L_SHAPE)
    wavenumber = 10.0

    @on("interior")
    def balance(self, u: Field) -> Field:
        """∇²u + k²u."""
        return laplacian(u) + self.wavenumber**2 * u

    @on("boundary")
    def edge(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.waves(at)

    def waves(self, at: Field) -> Field:
        """Σ aⱼ cos(k eⱼ·x + φⱼ)."""
        return sum(
            size * cos(self.wavenumber * (math.cos(a) * at[:, 0] + math.sin(a) * at[:, 1]) + phase)
            for a, phase, size in WAVES
        )

    def exact(self, at: Field) -> Fields:
        """The waves."""
        return {"u": self.waves(at)}


class GrayScott(Problem):
    """∂u/∂t = D ∇²u − u v² + F (1 − u),   ∂v/∂t = (D/2) ∇²v + u v² − (F + k) v,   with period 2.

    The reference comes from Fourier series of 256 points and 4,000 exponential steps (ETDRK4).
    """

    coordinates, unknowns = ("x", "t"), {"u": 1, "v": 1}
    geometry = Interval(x=(-1, 1), time=(0, 20))
    diffusion, feed, removal = 1e-3, 0.04, 0.06

    @on("interior")
    def feeding(self, u: Field, v: Field) -> Field:
        """∂u/∂t − D ∇²u + u v² − F (1 − u)."""
        return dt(u) - self.diffusion * laplacian(u) + u * v**2 - self.feed * (1 - u)

    @on("interior")
    def growth(self, u: Field, v: Field) -> Field:
        """∂v/∂t − (D/2) ∇²v − u v² + (F + k) v."""
        spread = 0.5 * self.diffusion * laplacian(v)
        return dt(v) - spread - u * v**2 + (self.feed + self.removal) * v

    @on("initial")
    def begins(self, u: Field, v: Field, x: Field) -> Field:
        """u − 1 + s/2 and v − s/2 with s = ((1 + cos πx)/2)⁴."""
        spot = ((1 + cos(math.pi * x)) / 2) ** 4
        return vector(u - 1 + 0.5 * spot, v - 0.5 * spot)

    sides = periodic("left", "right")

    def reference(self) -> Reference:
        """101 × 101 points."""
        x, t = (torch.linspace(a, b, 101, dtype=torch.float64) for a, b in ((-1, 1), (0, 20)))
        values = {n: torch.from_numpy(f).T.flatten() for n, f in gray_scott(400, 4000).items()}
        at, judged = torch.cartesian_prod(x, t), torch.ones(101**2, dtype=torch.bool)
        return Reference(at, values, judged, (101, 101), "Fourier series")


@cache
def gray_scott(points: int, steps: int) -> dict[str, np.ndarray]:
    """u and v as (101, 101) at equal steps of 0 ≤ t ≤ 20 and −1 ≤ x ≤ 1."""
    d, f, k = GrayScott.diffusion, GrayScott.feed, GrayScott.removal
    wave = np.pi * np.arange(points // 2 + 1)
    linear = np.concatenate((-d * wave**2 - f, -0.5 * d * wave**2 - f - k))
    by = factors(linear, 20 / steps)
    spot = ((1 + np.cos(np.pi * (2 * np.arange(points) / points - 1))) / 2) ** 4

    def both(w: np.ndarray) -> np.ndarray:
        return np.fft.irfft(w.reshape(2, -1), points)

    def reaction(w: np.ndarray) -> np.ndarray:
        u, v = both(w)
        return np.fft.rfft(np.stack((f - u * v**2, u * v**2))).ravel()

    w = np.fft.rfft(np.stack((1 - 0.5 * spot, 0.5 * spot))).ravel()
    rows = [both(w)]
    for step in range(1, steps + 1):
        w = advanced(w, reaction, by)
        if step % (steps // 100) == 0:
            rows.append(both(w))
    found = np.stack(rows)[:, :, :: points // 100]
    found = np.concatenate((found, found[:, :, :1]), axis=2)
    return {"u": found[:, 0], "v": found[:, 1]}


class StokesAnnulus(Problem):
    """∇p − ν ∇²u = 0, ∇·u = 0 between two circles, u given on both.

    ψ = x (b r² + c/r² + d ln r),   u = (∂ψ/∂y, −∂ψ/∂x),   p = ν y (2d/r² − 8b).
    """

    coordinates, unknowns = ("x", "y"), {"u": ("u", "v"), "p": 1}
    geometry = Disc((0, 0), 1.0, name="outer") - Disc((0, 0), 0.4, name="inner")
    viscosity, b, c, d = 0.3, 0.5, -0.2, 0.8

    @on("interior")
    def momentum(self, u: Field, p: Field) -> Field:
        """∇p − ν ∇²u."""
        return grad(p) - self.viscosity * laplacian(u)

    @on("interior")
    def continuity(self, u: Field) -> Field:
        """∇·u."""
        return div(u)

    @on("outer", "inner")
    def walls(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.velocity(at)

    def velocity(self, at: Field) -> Field:
        """(∂ψ/∂y, −∂ψ/∂x) with ψ = x g(r²)."""
        x, y = at[:, 0], at[:, 1]
        s = x**2 + y**2
        g = self.b * s + self.c / s + 0.5 * self.d * log(s)
        slope = self.b - self.c / s**2 + 0.5 * self.d / s
        return vector(2 * x * y * slope, -g - 2 * x**2 * slope)

    def exact(self, at: Field) -> Fields:
        """Velocity, and pressure up to a constant."""
        x, y = at[:, 0], at[:, 1]
        pressure = self.viscosity * y * (2 * self.d / (x**2 + y**2) - 8 * self.b)
        return {"u": self.velocity(at), "p": pressure}


class KortewegDeVries(Problem):
    """∂u/∂t + 6 u ∂u/∂x + ∂³u/∂x³ = 0;   u = 2 ∂²(ln f)/∂x²,  two solitary waves that meet.

    f = 1 + e^{α} + e^{β} + A e^{α+β},  α = a (x + 4) − a³ t,  β = b (x + 1) − b³ t,
    A = ((a − b)/(a + b))².
    """

    coordinates, unknowns = ("x", "t"), {"u": 1}
    geometry = Interval(x=(-10, 10), time=(0, 2))
    fast, slow = 1.6, 1.0

    @on("interior")
    def balance(self, u: Field) -> Field:
        """∂u/∂t + 6 u ∂u/∂x + ∂³u/∂x³."""
        third = partial(partial(partial(u, "x"), "x"), "x")
        return dt(u) + 6 * u * partial(u, "x") + third

    @on("initial", "left", "right")
    def given(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.waves(at)

    @on("right")
    def level(self, u: Field, at: Field) -> Field:
        """∂u/∂x, less that of the waves, which is below 1e-6 there."""
        return partial(u, "x") - partial(self.waves(at), "x")

    def waves(self, at: Field) -> Field:
        """2 (f f″ − f′²)/f²."""
        a, b, x, t = self.fast, self.slow, at[:, 0], at[:, 1]
        first, second = exp(a * (x + 4) - a**3 * t), exp(b * (x + 1) - b**3 * t)
        both = ((a - b) / (a + b)) ** 2 * first * second
        f = 1 + first + second + both
        slope = a * first + b * second + (a + b) * both
        bend = a**2 * first + b**2 * second + (a + b) ** 2 * both
        return 2 * (f * bend - slope**2) / f**2

    def exact(self, at: Field) -> Fields:
        """The two waves."""
        return {"u": self.waves(at)}


class UnevenDiffusion(Problem):
    """∇·(k ∇u) = f in an ellipse, k = exp(sin 4x cos 3y), u given on the boundary.

    u = sin(2x + y²) + x e^{−y}; the source f is what the equation gives for it.
    """

    coordinates, unknowns = ("x", "y"), {"u": 1}
    geometry = Ellipse((0, 0), (1.5, 0.8))

    @on("interior")
    def balance(self, u: Field, at: Field) -> Field:
        """∇·(k ∇u) − f."""
        here = coordinate_field(at.value, at.coordinates, 2)
        conductivity = self.conductivity(here)
        return div(conductivity * grad(u)) - div(conductivity * grad(self.solution(here)))

    @on("boundary")
    def edge(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.solution(at)

    @staticmethod
    def conductivity(at: Field) -> Field:
        """k = exp(sin 4x cos 3y)."""
        return exp(sin(4 * at[:, 0]) * cos(3 * at[:, 1]))

    @staticmethod
    def solution(at: Field) -> Field:
        """sin(2x + y²) + x e^{−y}."""
        return sin(2 * at[:, 0] + at[:, 1] ** 2) + at[:, 0] * exp(-at[:, 1])

    def exact(self, at: Field) -> Fields:
        """The solution that the source was made from."""
        return {"u": self.solution(at)}


class DarcyPlate(Problem):
    """q + ∇p = 0, ∇·q = 0 in a plate with a hole that is tight:  p = −x (1 + a²/r²)."""

    coordinates, unknowns = ("x", "y"), {"q": ("q", "r"), "p": 1}
    radius = 0.5
    geometry = Rectangle((-2, 2), (-1, 1)) - Disc((0, 0), radius, name="hole")

    @on("interior")
    def law(self, q: Field, p: Field) -> Field:
        """q + ∇p."""
        return q + grad(p)

    @on("interior")
    def continuity(self, q: Field) -> Field:
        """∇·q."""
        return div(q)

    @on("left", "right")
    def pressure(self, p: Field, at: Field) -> Field:
        """p − p_b."""
        return p - self.potential(at)

    @on("bottom", "top")
    def flux(self, q: Field, at: Field, normal: Field) -> Field:
        """(q − q_b)·n."""
        return dot(q - self.flow(at), normal)

    @on("hole")
    def tight(self, q: Field, normal: Field) -> Field:
        """q·n."""
        return dot(q, normal)

    def potential(self, at: Field) -> Field:
        """p = −x (1 + a²/r²)."""
        return -at[:, 0] * (1 + self.radius**2 / (at[:, 0] ** 2 + at[:, 1] ** 2))

    def flow(self, at: Field) -> Field:
        """q = −∇p."""
        x, y = at[:, 0], at[:, 1]
        s, a = x**2 + y**2, self.radius**2
        return vector(1 + a * (y**2 - x**2) / s**2, -2 * a * x * y / s**2)

    def exact(self, at: Field) -> Fields:
        """Potential flow past a circle."""
        return {"q": self.flow(at), "p": self.potential(at)}
