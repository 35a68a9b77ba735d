"""Hutchinson's estimate of a divergence, from products of the Jacobian with random vectors.

    ∇·f = E[zᵀJz] ≈ (1/m) Σₖ zₖᵀJzₖ      for E[z] = 0, E[zzᵀ] = I

    Var(zᵀJz) = 2(‖S‖² − Σᵢ Sᵢᵢ²)  Rademacher,   2‖S‖²  Gaussian,      S = (J + Jᵀ)/2

Cost: (1 + m) forward passes, 3(1 + m) with the parameter gradient, whatever the dimension; the
exact divergence costs d + 1. The square of an estimate is biased, E[r̂²] = r² + Var/m, so a loss of
squares has another minimiser; the product of two independent estimates is not biased.

Source: Z. Hu, Z. Shi, G. E. Karniadakis, K. Kawaguchi, "Hutchinson trace estimation for
high-dimensional and high-order physics-informed neural networks",
doi:10.1016/j.cma.2024.116883.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.base.messages import one_of, whole
from pinn.derivatives.evaluate import check_points, settings
from pinn.derivatives.formulas import AT_ONCE, Formulas
from pinn.derivatives.loop import in_reverse, slope
from pinn.derivatives.outputs import Function, is_matrix, joined

DISTRIBUTIONS = ("rademacher", "gaussian")


@dataclass(frozen=True)
class Probes:
    """Settings of Hutchinson's estimate.

    Args:
        count: m, how many products zᵀJz are averaged.
        distribution: `rademacher` (±1, the smallest variance) or `gaussian`.
        seed: of all probes; with the call and the process it gives those of one call.
        pair: give two independent estimates of m probes each, (2, …): their product is an unbiased
            square, while the square of one estimate is too large by its variance.

    Raises:
        ValueError: fewer than one probe, or an unknown distribution.
    """

    count: int = 1
    distribution: str = "rademacher"
    seed: int = 0
    pair: bool = False

    def __post_init__(self) -> None:
        whole("probes.count", self.count)
        one_of("distribution", self.distribution, DISTRIBUTIONS)


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
    check_points(f, x)
    along = list(range(x.shape[-1]) if dims is None else dims)
    groups = 2 if probes.pair else 1
    shape = (groups * probes.count, *x.shape[:-1], len(along))
    z = probe_vectors(shape, probes.distribution, seed).to(x)

    def run(points: Tensor, keep_graph: bool) -> list[Tensor]:
        y, own = f(points.clone()), z.clone()  # of inference mode they could not be used
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
        (products,) = in_reverse(x, run)
    means = products.unflatten(0, (groups, probes.count)).mean(1)
    return means if probes.pair else means[0]


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


def probe_vectors(shape: Sequence[int], distribution: str, seed: int) -> Tensor:
    """Independent entries of zero mean and unit variance, on the CPU; global state is untouched."""
    generator = torch.Generator().manual_seed(seed)
    if distribution == "rademacher":
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.int8) * 2 - 1
    return torch.randn(shape, generator=generator, dtype=torch.float64)
