"""Hutchinson's estimate of a divergence, from products of the Jacobian with random vectors.

    ∇·f = E[zᵀJz] ≈ (1/m) Σₖ zₖᵀJzₖ      for E[z] = 0, E[zzᵀ] = I

    Var(zᵀJz) = 2(‖S‖² − Σᵢ Sᵢᵢ²)  Rademacher,   2‖S‖²  Gaussian,      S = (J + Jᵀ)/2

The probes of one call are orthogonal signs; see `probes`.

Cost: (1 + m) forward passes, 3(1 + m) with the parameter gradient, whatever the dimension; the
exact divergence costs d + 1. The square of an estimate is biased, E[r̂²] = r² + Var/m, so a loss of
squares has another minimiser; the product of two independent estimates is not biased.

Source: Z. Hu, Z. Shi, G. E. Karniadakis, K. Kawaguchi, "Hutchinson trace estimation for
high-dimensional and high-order physics-informed neural networks",
doi:10.1016/j.cma.2024.116883.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pinn.derivatives.evaluate import check_points, settings
from pinn.derivatives.formulas import AT_ONCE, Formulas
from pinn.derivatives.loop import in_reverse, slope
from pinn.derivatives.outputs import Function, is_matrix, joined
from pinn.derivatives.probes import Probes, probe_vectors


class Estimate(NamedTuple):
    """An estimate with its standard error.

    Args:
        value: the mean of m products zᵀJz, (…).
        error: the standard error of that mean, (…), without a graph. Its square is unbiased.
    """

    value: Any
    error: Any


def hutchinson(
    f: Function, x: Tensor, seed: int, probes: Probes, dims: Sequence[int] | None = None
) -> Tensor:
    """An unbiased estimate of ∇·f at the points x (…, d), each point with probes of its own.

    One reverse pass per probe serves every f, and one more all rows of a matrix.

    Args:
        f: maps x to as many components as there are dims: a tensor, a tuple or a dict; or to a
            matrix (…, k, C) of rows, all of which share the probes.
        x: the points.
        seed: of the probes of this call; they follow from it alone, on every device.
        probes: how many, and of which distribution.
        dims: the coordinates to differentiate along; all of them by default.

    Returns:
        The estimate (…), or the two of a pair (2, …); (…, k) and (2, …, k) of a matrix.

    Raises:
        ValueError: not as many components as dims.
    """
    means = products(f, x, seed, probes, dims).mean(1)
    return means if probes.pair else means[0]


def estimated(
    f: Function, x: Tensor, seed: int, probes: Probes, dims: Sequence[int] | None = None
) -> Estimate:
    """The same estimate with its standard error, σ² ≈ (1 − m/n) Σₖ (zₖᵀJzₖ − mean)² / m(m − 1).

    n is the power of two from d on for signs, and ∞ for independent probes.

    Raises:
        ValueError: fewer than two probes, or a pair.
    """
    if probes.count < 2 or probes.pair:
        given = "two estimates" if probes.pair else f"{probes.count} probe"
        raise ValueError(
            f"the standard error comes from the spread of one estimate's probes, and {given} is "
            "asked for: give Probes(count=2) or more, without pair"
        )
    each = products(f, x, seed, probes, dims)[0]
    spread = each.detach().var(0) if len(each) > 1 else torch.zeros_like(each[0])
    left = probes.left(x.shape[-1] if dims is None else len(dims))
    return Estimate(each.mean(0), (spread * left / probes.count).sqrt())


def products(
    f: Function, x: Tensor, seed: int, probes: Probes, dims: Sequence[int] | None
) -> Tensor:
    """zₖᵀJzₖ of every probe, (groups, m, …)."""
    check_points(f, x)
    along = list(range(x.shape[-1]) if dims is None else dims)
    z = probe_vectors(x.shape[:-1], len(along), seed, probes).to(x)
    groups = len(z)

    def run(points: Tensor, keep_graph: bool) -> list[Tensor]:
        y, own = f(points.clone()), z.flatten(0, 1).clone()  # no tensors of inference mode
        shape = points.shape[:-1]
        if is_matrix(y, shape) and y.shape[-1] == len(along):
            with Formulas():  # a second derivative is taken
                return [row_products(f(points.clone()), points, own, along, keep_graph)]
        y = joined(y, shape)
        if y.shape[-1] != len(along):
            raise ValueError(f"f has {y.shape[-1]} components and {len(along)} are differentiated")
        rows = torch.stack([slope((y * k).sum(-1), points, keep_graph) for k in own])
        return [(rows[..., along] * own).sum(-1)]

    with settings(x, AT_ONCE):
        return in_reverse(x, run)[0].unflatten(0, (groups, -1))


def row_products(y: Tensor, x: Tensor, z: Tensor, along: Sequence[int], keep_graph: bool) -> Tensor:
    """zᵀJᵢz of every row i of a matrix y (…, k, C), for probes (m, …, C): (m, …, k).

    J z of all rows is the derivative of (Jᵀu)·z by u: two reverse passes, whatever k is.
    """
    if not y.requires_grad:
        return y.new_zeros(*z.shape[:-1], y.shape[-2])
    u = torch.zeros_like(y, requires_grad=True)
    pulled = slope((y * u).flatten(-2).sum(-1), x, keep_graph=True)[..., along]
    pushed = torch.stack([slope((pulled * k).sum(-1), u, keep_graph) for k in z])
    return (pushed * z.unsqueeze(-2)).sum(-1)
