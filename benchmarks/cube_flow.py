"""Steady flow in the lid-driven cube: finite volumes, and Newton's method with GMRES.

Second order on a staggered grid, finer towards the walls; half of the cube, since the flow is
symmetric about z = ½. The steady state is that of a projection step of long duration τ,

    u* = (1 − τν∇²)⁻¹ (u − τ (∇·(u u) + ∇p)),   ∇²φ = ∇·u*/τ,   u ← u* − τ∇φ,   p ← p + φ − ν∇·u*,

whose fixed point does not depend on τ. The Helmholtz and Poisson equations are solved by
diagonalisation along each axis.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.sparse.linalg import LinearOperator, gmres

Array = np.ndarray
STRETCHING = 1.2  # cells at the walls are cosh(1.2)⁻² as large as in the middle
STEP = 20.0  # τ


def second_derivative(h: Array, where: str, ends: tuple[int, int]) -> tuple[Array, Array]:
    """S and the widths w of d²/dx² = S/w along an axis with cells of width h.

    Args:
        h: widths of the cells.
        where: values at the `faces` between the cells, zero at both ends, or at their `centres`.
        ends: of values at centres: 1 for a value of zero at the wall, 0 for no flux.
    """
    middle = (h[1:] + h[:-1]) / 2
    if where == "faces":
        inverse, w = 1 / h, middle
    else:
        inverse = np.concatenate([[2 * ends[0] / h[0]], 1 / middle, [2 * ends[1] / h[-1]]])
        w = h
    S = np.diag(-(inverse[1:] + inverse[:-1]))
    return S + np.diag(inverse[1:-1], 1) + np.diag(inverse[1:-1], -1), w


def along(matrix: Array, f: Array, axis: int) -> Array:
    """The product of a matrix with f along an axis."""
    return np.moveaxis(np.tensordot(matrix, f, (1, axis)), 0, axis)


def shaped(h: Array, axis: int) -> Array:
    """Widths that multiply along an axis."""
    return h.reshape([-1 if a == axis else 1 for a in range(3)])


class Separable:
    """(a + b ∇²) f = g, where ∇² is a sum of one matrix per axis.

    Args:
        matrices: S and w of each axis.
    """

    def __init__(self, matrices: list[tuple[Array, Array]]) -> None:
        self.to, self.back, values = [], [], []
        for S, w in matrices:
            root = np.sqrt(w)
            value, Q = np.linalg.eigh(S / root[:, None] / root)
            self.to.append(Q.T * root)
            self.back.append(Q / root[:, None])
            values.append(value)
        self.values = values[0][:, None, None] + values[1][:, None] + values[2]

    def solve(self, a: float, b: float, g: Array) -> Array:
        """f; the constant that a Neumann problem leaves open is zero."""
        for axis in range(3):
            g = along(self.to[axis], g, axis)
        factor = a + b * self.values
        closed = np.abs(factor) > 1e-9 * np.abs(factor).max()
        g = np.where(closed, g / np.where(closed, factor, 1.0), 0.0)
        for axis in range(3):
            g = along(self.back[axis], g, axis)
        return g


class Cube:
    """The steady flow in half of the cube, 0 < z < ½, driven by u = 1 on y = 1.

    Args:
        reynolds: Re.
        n: cells along x and y; half as many along z.
        start: a flow on the same grid to begin with.
    """

    def __init__(self, reynolds: float, n: int, start: Cube | None = None) -> None:
        self.nu, self.n = 1 / reynolds, n
        faces = 0.5 + np.tanh(STRETCHING * np.linspace(-1, 1, n + 1)) / np.tanh(STRETCHING) / 2
        self.faces = [faces, faces, faces[: n // 2 + 1]]
        self.h = [np.diff(f) for f in self.faces]
        self.cells = tuple(len(h) for h in self.h)
        self.implicit = [self.separable(a) for a in range(3)]
        self.poisson = self.separable(None)
        self.sizes = [tuple(c - (a == b) for b, c in enumerate(self.cells)) for a in range(3)]
        self.sizes.append(self.cells)
        self.state = np.zeros(sum(map(np.prod, self.sizes))) if start is None else start.state
        self.solve()

    def separable(self, component: int | None) -> Separable:
        """The Laplacian of a component of the velocity, or of the pressure."""
        matrices = []
        for axis, h in enumerate(self.h):
            wall = 0 if component is None else 1
            ends = (wall, wall if axis < 2 else 0)  # no flux through z = ½
            where = "faces" if axis == component else "centres"
            matrices.append(second_derivative(h, where, ends))
        return Separable(matrices)

    def parts(self, state: Array) -> tuple[list[Array], Array]:
        """The velocities at all faces, zero at the walls, and the pressure."""
        pieces = np.split(state, np.cumsum([np.prod(s) for s in self.sizes])[:-1])
        inner = [piece.reshape(size) for piece, size in zip(pieces, self.sizes, strict=True)]
        walls = [[(1, 1) if a == b else (0, 0) for b in range(3)] for a in range(3)]
        return [np.pad(f, w) for f, w in zip(inner, walls, strict=False)], inner[3]

    def middle(self, axis: int) -> Array:
        """Distances between the centres of neighbouring cells."""
        return shaped((self.h[axis][1:] + self.h[axis][:-1]) / 2, axis)

    def at_faces(self, f: Array, axis: int) -> Array:
        """Values at centres, interpolated to the faces between them."""
        h = shaped(self.h[axis], axis)
        low, high = cut(f, axis, 0, -1), cut(f, axis, 1, None)
        return (cut(h, axis, 1, None) * low + cut(h, axis, 0, -1) * high) / (2 * self.middle(axis))

    def convection(self, U: list[Array], a: int) -> Array:
        """∇·(u u_a) at the inner faces across axis a; nothing flows through the boundary."""
        total = 0.0
        inner = cut(U[a], a, 1, -1)
        for b in range(3):
            if a == b:
                centre = (cut(U[a], a, 1, None) + cut(U[a], a, 0, -1)) / 2
                total = total + np.diff(centre**2, axis=a) / self.middle(a)
                continue
            across = cut(self.at_faces(U[b], a), b, 1, -1)
            flux = across * self.at_faces(inner, b)
            flux = np.pad(flux, [(1, 1) if c == b else (0, 0) for c in range(3)])
            total = total + np.diff(flux, axis=b) / shaped(self.h[b], b)
        return total

    def divergence(self, U: list[Array]) -> Array:
        """∇·u in every cell."""
        return sum(np.diff(U[a], axis=a) / shaped(self.h[a], a) for a in range(3))

    def change(self, state: Array) -> Array:
        """What a step adds to a state."""
        U, p = self.parts(state)
        after = []
        for a in range(3):
            rhs = self.convection(U, a) + np.diff(p, axis=a) / self.middle(a)
            if a == 0:
                rhs[:, -1] -= self.nu * 2 / self.h[1][-1] ** 2  # the lid drags
            rhs = cut(U[a], a, 1, -1) - STEP * rhs
            after.append(self.implicit[a].solve(1.0, -STEP * self.nu, rhs))
        walls = [[(1, 1) if a == b else (0, 0) for b in range(3)] for a in range(3)]
        source = self.divergence([np.pad(f, w) for f, w in zip(after, walls, strict=True)])
        phi = self.poisson.solve(0.0, STEP, source)
        for a in range(3):
            after[a] = after[a] - STEP * np.diff(phi, axis=a) / self.middle(a)
        after.append(p + phi - self.nu * source)
        return np.concatenate([f.ravel() for f in after]) - state

    def solve(self) -> None:
        """Newton's method; the derivative of the change along a direction by differences."""
        for _ in range(15):
            here = self.change(self.state)
            size = float(np.abs(here).max())
            if size < 1e-8:
                return

            def slope(d: Array, here: Array = here) -> Array:
                length = float(np.linalg.norm(d)) or 1.0
                eps = 1e-6 * max(1.0, float(np.linalg.norm(self.state))) / length
                return (self.change(self.state + eps * d) - here) / eps

            J = LinearOperator((len(here),) * 2, matvec=slope, dtype=float)
            step, _ = gmres(J, -here, rtol=1e-2, restart=60, maxiter=4)
            self.state = self.state + step
        raise RuntimeError(f"Newton's method stopped at a change of {size:.1e}")

    def lines(self, points: Array) -> dict[str, Array]:
        """u and v on x = z = ½ over y, and on y = z = ½ over x, at some points of [0, 1]."""
        U, _ = self.parts(self.state)
        centre = [(f[1:] + f[:-1]) / 2 for f in self.faces]
        s = 0.5 - centre[2][-2:]  # even about z = ½: a + b s²
        weights = np.array([-(s[1] ** 2), s[0] ** 2]) / (s[0] ** 2 - s[1] ** 2)
        u, v = (f[..., -2:] @ weights for f in U[:2])
        half = self.n // 2
        v_at_faces, u_at_faces = self.at_faces(v[..., None], 0), self.at_faces(u[..., None], 1)
        profiles = {
            "vertical_u": (centre[1], u[half], (0.0, 1.0)),
            "vertical_v": (self.faces[1][1:-1], v_at_faces[half - 1, 1:-1, 0], (0.0, 0.0)),
            "horizontal_u": (self.faces[0][1:-1], u_at_faces[1:-1, half - 1, 0], (0.0, 0.0)),
            "horizontal_v": (centre[0], v[:, half], (0.0, 0.0)),
        }
        return {
            name: CubicSpline([0, *at, 1], [ends[0], *values, ends[1]])(points)
            for name, (at, values, ends) in profiles.items()
        }


def cut(f: Array, axis: int, low: int, high: int | None) -> Array:
    """f[low:high] along an axis; all of it where it has one entry there."""
    return f[tuple(slice(low, high) if a == axis else slice(None) for a in range(f.ndim))]
