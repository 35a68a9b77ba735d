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

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import first
from pinn.algebra.jet import Jet
from pinn.algebra.rows import Rows
from pinn.base.messages import one_of
from pinn.derivatives.evaluate import check_points, settings
from pinn.derivatives.formulas import AT_ONCE
from pinn.derivatives.loop import in_reverse, slope
from pinn.derivatives.outputs import Function, stacked

DISTRIBUTIONS = ("rademacher", "gaussian")


def hutchinson(
    f: Function,
    x: Tensor,
    seed: int,
    probes: int = 1,
    distribution: str = "rademacher",
    pair: bool = False,
    dims: Sequence[int] | None = None,
    strategy: str = "loop",
) -> Tensor:
    """An unbiased estimate of ∇·f at the points x (…, d), each point with probes of its own.

    Args:
        f: maps x to as many components as there are dims: a tensor, a tuple or a dict.
        x: the points.
        seed: of the probes; they follow from it alone, on every device. One of each step and
            process comes from `stream_seed(seed, step, rank, "divergence")`.
        probes: m, how many products are averaged.
        distribution: `rademacher` (±1, the smallest variance) or `gaussian`.
        pair: two independent estimates of m probes each, whose product is an unbiased square.
        dims: the coordinates to differentiate along; all of them by default.
        strategy: what computes the products: `loop`, the cheaper one and right for every f, or
            `taylor`, which can be compiled and needs a rule for every function of f.

    Returns:
        The estimate (…), or the two of a pair (2, …).

    Raises:
        ValueError: fewer than one probe, an unknown distribution or strategy, or not as many
            components as dims.
    """
    check_points(f, x)
    if probes < 1:
        raise ValueError(f"probes is {probes}: at least 1 is needed")
    one_of("strategy", strategy, PRODUCTS)
    along = tuple(range(x.shape[-1])) if dims is None else tuple(dims)
    groups = 2 if pair else 1
    z = probe_vectors((groups * probes, *x.shape[:-1], len(along)), distribution, seed).to(x)

    components = stacked(f)

    def vector(points: Any) -> Any:
        y = components(points)
        if y.shape[-1] != len(along):
            raise ValueError(f"f has {y.shape[-1]} components and {len(along)} are differentiated")
        return y

    with settings(x, AT_ONCE):
        products = PRODUCTS[strategy](vector, x, z, along)
    means = products.unflatten(0, (groups, probes)).mean(1)
    return means if pair else means[0]


def probe_vectors(shape: Sequence[int], distribution: str, seed: int) -> Tensor:
    """Independent entries of zero mean and unit variance, on the CPU; global state is untouched.

    Raises:
        ValueError: the distribution is unknown.
    """
    one_of("distribution", distribution, DISTRIBUTIONS)
    generator = torch.Generator().manual_seed(seed)
    if distribution == "rademacher":
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.int8) * 2 - 1
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def by_taylor(f: Function, x: Tensor, z: Tensor, dims: tuple[int, ...]) -> Tensor:
    """zₖᵀ(Jzₖ) of each probe (m, …): one fused forward pass along the m directions."""
    directions = z
    if dims != tuple(range(x.shape[-1])):
        directions = z.new_zeros((*z.shape[:-1], x.shape[-1]))
        directions[..., list(dims)] = z
    channels = tuple(first(k) for k in range(len(z)))
    y = f(Jet(x, Rows(channels, directions), lead=x.ndim - 1))
    if isinstance(y, Tensor):  # f does not read x: a constant
        return x.new_zeros(z.shape[:-1])
    return (torch.stack([y.stream(c) for c in channels]) * z).sum(-1)


def by_loop(f: Function, x: Tensor, z: Tensor, dims: tuple[int, ...]) -> Tensor:
    """(zₖᵀJ)zₖ of each probe (m, …): one reverse pass per probe."""

    def run(points: Tensor, keep_graph: bool) -> list[Tensor]:
        y, own = f(points.clone()), z.clone()  # drawn in inference mode they could not be used
        rows = torch.stack([slope((y * k).sum(-1), points, keep_graph) for k in own])
        return [(rows[..., list(dims)] * own).sum(-1)]

    return in_reverse(x, run)[0]


PRODUCTS: dict[str, Callable[[Function, Tensor, Tensor, tuple[int, ...]], Tensor]] = {
    "taylor": by_taylor,
    "loop": by_loop,
}
