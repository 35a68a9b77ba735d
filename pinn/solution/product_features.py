"""Features of patches that are products along the axes, and their derivatives as products too.

    w(x) Πₐ T_{kₐ}(ξₐ) = Πₐ gₐ(xₐ),   ∂ᵐ of it = Πₐ ∂^{mₐ} gₐ

Functions of one coordinate alone are differentiated: a few per point and axis, where there are
thousands of products.
"""

import math
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pinn.algebra.channels import Channel, Plan
from pinn.networks.local_features import Polynomials
from pinn.networks.patches import Coefficients, Patches
from pinn.networks.windows import Windows
from pinn.solution.bare_network import is_guard

if TYPE_CHECKING:
    from typing_extensions import TypeIs

VALUE: Channel = ((),)


def is_product(network: nn.Module) -> "TypeIs[Patches]":
    """Whether a network is the sum of such products, and nobody has changed what it does."""
    if type(network) is not Patches or "value" in vars(network):
        return False
    parts = (network.windows, network.features, network.output)
    held = [(*m._forward_hooks.values(), *m._forward_pre_hooks.values()) for m in (network, *parts)]
    plain = tuple(map(type, parts)) == (Windows, Polynomials, Coefficients)
    plain = plain and all(map(is_guard, chain.from_iterable(held)))
    return plain and network.output.weight.dtype == torch.float64  # exact in products


@torch.no_grad()
def product_features(network: Patches, at: Tensor, patch: Tensor, plan: Plan) -> Tensor:
    """Φ (1 + S, N, k F): the features, then the channels of a plan.

    Args:
        network: whose features are products.
        at: points (N, D).
        patch: the patches (N, k) that each point sees.
        plan: its S channels.
    """
    count, rows = network.features.count, patch.numel()
    result = at.new_empty(1 + len(plan.channels), rows, count)
    factors, scratch = Factors(network, at, patch, plan), at.new_empty(rows, count)
    for out, channel in zip(result, (VALUE, *plan.channels), strict=True):
        for number, (indices, times) in enumerate(Counter(channel).items()):
            first, *others = factors.of(indices)
            into = scratch if number else out
            if others:
                torch.mul(first, others[0], out=into)
            else:
                into.copy_(first)
            for other in others[1:]:
                into.mul_(other)
            if number:
                out.add_(into, alpha=times)
            elif times > 1:
                out.mul_(times)
    return result.view(len(result), len(at), -1)


class Factors:
    """∂^m gₐ for every feature, made as they are asked for.

    Args:
        network: whose features are products.
        at: points (N, D).
        patch: the patches (N, k).
        plan: the channels that are asked for.
    """

    def __init__(self, network: Patches, at: Tensor, patch: Tensor, plan: Plan) -> None:
        features = network.features
        assert isinstance(features, Polynomials)
        powers: Tensor = features.powers  # type: ignore[assignment]
        terms = [Counter(indices) for channel in plan.channels for indices in channel]
        self.tables = [
            along(network, at, patch, axis, max([0, *(term[axis] for term in terms)]))
            for axis in range(at.shape[1])
        ]
        degrees = torch.arange(features.degree + 1, device=at.device)
        # A column of ones and zeros picks one number, to the last bit.
        self.picks = (powers[:, None] == degrees[:, None]).to(at)  # (D, degree + 1, F)
        self.made = dict[tuple[int, int], Tensor]()

    def of(self, indices: tuple[int, ...]) -> list[Tensor]:
        """The factors (N k, F) of one derivative, axis by axis."""
        orders = Counter(indices)
        return [self.factor(axis, orders[axis]) for axis in range(len(self.tables))]

    def factor(self, axis: int, order: int) -> Tensor:
        """∂^order g along one axis."""
        if (axis, order) not in self.made:
            self.made[axis, order] = self.tables[axis][order].T @ self.picks[axis]
        return self.made[axis, order]


def along(network: Patches, at: Tensor, patch: Tensor, axis: int, highest: int) -> Tensor:
    """∂^m of step · T_k along one axis, (highest + 1, degree + 1, N k).

    T_{k+1} = 2ξ T_k − T_{k−1},   ∂^m(2ξ T_k) = 2ξ ∂^m T_k + 2m ξ' ∂^{m−1} T_k
    """
    features = network.features
    assert isinstance(features, Polynomials)
    parts = network.windows.along(at[:, axis : axis + 1], patch, axis, highest)
    window, local, slope = (part.flatten(-2) for part in parts)
    table = at.new_zeros(highest + 1, features.degree + 1, patch.numel())
    table[0, 0] = 1.0
    table[0, 1] = local
    if highest:
        table[1, 1] = slope
    for k in range(1, features.degree):
        torch.mul(table[:, k], 2 * local, out=table[:, k + 1])
        for m in range(1, highest + 1):
            table[m, k + 1].addcmul_(table[m - 1, k], slope, value=2 * m)
        table[:, k + 1] -= table[:, k - 1]
    for m in range(highest, -1, -1):
        table[m] *= window[0]
        for j in range(1, m + 1):
            table[m].addcmul_(table[m - j], window[j], value=math.comb(m, j))
    return table
