"""Faces that match: one is the other, moved."""

import torch
from torch import Tensor

from pinn.base.messages import check_name
from pinn.geometry.domains import Geometry
from pinn.geometry.points import Points

POINTS = 144
ALIKE = 1e-5  # of sizes and moments, as a part of the face's own


def translation(geometry: Geometry, one: str, other: str) -> tuple[float, ...]:
    """d with  other = one + d,  an entry per coordinate, 0 for parameters and time.

    The faces are compared by their sizes, their first three moments and their normals, which have
    to be opposite.

    Raises:
        ValueError: a region is unknown or no boundary, or they do not match.
    """
    where = f"periodic({one!r}, {other!r})"
    for name in (one, other):
        check_name(name, geometry.regions, f"{where}: there is no region {name!r}")
    first, second = (geometry.sample(name, POINTS, "gauss") for name in (one, other))
    for name, points in ((one, first), (other, second)):
        if points.normal is None or geometry.is_measured(name):
            raise ValueError(f"{where}: {name!r} is no part of the boundary, give two faces of it")
    sizes = geometry.measure(one), geometry.measure(other)
    if abs(sizes[0] - sizes[1]) > ALIKE * max(sizes):
        raise ValueError(
            f"{where}: the faces do not match, their sizes are {sizes[0]:g} and {sizes[1]:g}: give "
            "two faces of which one is the other, moved"
        )
    a, b = (moments(geometry.in_space(p.at), p.weights) for p in (first, second))
    n, m = (moments(normals(p), p.weights, False) for p in (first, second))
    m[0], m[2] = -m[0], -m[2]
    apart = float((b[0] - a[0]).norm())  # the size of faces that are points
    scale = max(float(a[1].abs().max()) ** 0.5, 1e-3 * apart)
    same = all(
        bool(((p - q).abs() <= ALIKE * scale**k).all())
        for k, (p, q) in enumerate(zip(a[1:], b[1:], strict=True), 2)
    )
    if not same or any(bool(((p - q).abs() > ALIKE).any()) for p, q in zip(n, m, strict=True)):
        raise ValueError(
            f"{where}: the faces do not match, neither is the other one moved, with the opposite "
            "normal: give two faces that do"
        )
    still = [0.0] * len(geometry.coordinates.beside_space)
    return (*(b[0] - a[0]).tolist(), *still)


def normals(points: Points) -> Tensor:
    """The outward unit normals of points of a boundary."""
    assert points.normal is not None
    return points.normal


def moments(values: Tensor, weights: Tensor | None, centred: bool = True) -> list[Tensor]:
    """The mean of points (N, D), that of their products about it, and of these with a third."""
    w = torch.ones(len(values), dtype=values.dtype) if weights is None else weights
    w = (w / w.sum()).unsqueeze(1)
    centre = (w * values).sum(0)
    off = values - centre if centred else values
    second = torch.einsum("nk,ni,nj->ij", w, off, off)
    return [centre, second, torch.einsum("nk,ni,nj,nl->ijl", w, off, off, off)]
