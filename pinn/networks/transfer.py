"""From one set of patches to a finer one: the same function, to what the features can hold."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.geometry.sampling import unit_points
from pinn.networks.layout import Layout, extended
from pinn.networks.local_features import LocalFeatures, Polynomials, as_given
from pinn.networks.patches import Patches

PER_FEATURE = 3  # points at which a patch is fitted


def refine(network: Patches, layout: Layout, features: LocalFeatures) -> None:
    """Give a network other patches and features, with coefficients that keep its values.

    A patch gets what its parent had, continued where it reaches farther; polynomials of at least
    the same degree are kept to rounding.

    Args:
        network: changed in place.
        layout: its cuts begin with those of the network.
        features: of every patch.
    """
    old = Local(network)
    parents = parents_of(len(old.layout), layout)
    begin(network, layout, features)
    new, ends = Local(network), fitted(network)
    fit: Fit | None = None
    with torch.no_grad():
        for patch, parent in enumerate(parents):
            at = new.position(ends, patch)
            if fit is None or not isinstance(features, Polynomials):  # which are alike everywhere
                fit = Fit(new.functions(at, patch))
            network.output.weight[patch] = fit.coefficients(old.values(at, parent)).T
    network.remember()


def extend(network: Patches, until: float | None, features: LocalFeatures) -> None:
    """Let patches reach a later time; behind the former end values are those at that end.

    Args:
        network: changed in place.
        until: the time; None for that of the domain.
        features: of every patch.
    """
    former, axis = copy.deepcopy(network), len(network.layout.lower) - 1
    begin(network, extended(network.layout, axis, network.reach(until)[axis]), features)
    new, ends = Local(network), fitted(network)
    with torch.no_grad():
        fit = Fit(new.functions(new.position(ends, 0), 0))
        for patch in range(len(network.layout)):
            values = former.value(new.position(ends, patch))
            network.output.weight[patch] = fit.coefficients(values).T
    network.remember()


def fitted(network: Patches) -> Tensor:
    """Local coordinates (N, D) at which a patch is fitted: dense at the ends."""
    unit = unit_points(PER_FEATURE * network.features.count, len(network.layout.lower), "sobol", 0)
    return -torch.cos(torch.pi * unit).to(network.output.weight)


def begin(network: Patches, layout: Layout, features: LocalFeatures) -> None:
    """Give a network other patches and features; all coefficients are zero.

    Args:
        network: changed in place.
        layout: its patches.
        features: of every patch.
    """
    like = network.output.weight.detach()
    network.features = features
    network.lay(layout, like.shape[1])
    network.to(like)
    network.remember()


class Local:
    """The functions of single patches, without their windows.

    Args:
        network: as it is now.
    """

    def __init__(self, network: Patches) -> None:
        self.layout, self.windows, self.features = (
            network.layout,
            network.windows,
            network.features,
        )
        self.weight = network.output.weight.detach()

    def position(self, local: Tensor, patch: int) -> Tensor:
        """x (N, D) of local coordinates (N, D)."""
        return self.windows.centre[patch] + local / self.windows.inverse_half_width[patch]

    def functions(self, at: Tensor, patch: int) -> Tensor:
        """φ (N, F) at points (N, D)."""
        local = (at - self.windows.centre[patch]) * self.windows.inverse_half_width[patch]
        number = torch.full((len(at), 1), patch, device=at.device)
        return self.features(local.unsqueeze(-2), number)[:, 0]

    def values(self, at: Tensor, patch: int) -> Tensor:
        """Σⱼ cⱼ φⱼ (N, C) at points (N, D)."""
        return self.functions(at, patch) @ self.weight[patch].T


class Fit:
    """c (F, C):  min |Φc − f|² + (ε|Φ|)² |c|²,  by a QR factor.

    `torch.linalg.lstsq` gives other last digits in another process (torch 2.13), and a resumed run
    would not be the same to the bit.

    Args:
        functions: Φ (N, F).
    """

    def __init__(self, functions: Tensor) -> None:
        count = functions.shape[1]
        least = torch.finfo(functions.dtype).eps * functions.norm() * torch.eye(count).to(functions)
        Q, self.R = torch.linalg.qr(torch.cat([functions, least]))
        self.Q = Q[: len(functions)]

    def coefficients(self, values: Tensor) -> Tensor:
        """c for f (N, C)."""
        return torch.linalg.solve_triangular(self.R, self.Q.T @ values, upper=True)


def parents_of(count: int, layout: Layout) -> Sequence[int]:
    """Of every patch the one of the first `count` that it was cut from."""
    parents = list(range(count))
    for patch, _, _ in layout.cuts[count - 1 :]:
        parents.append(parents[patch])
    return parents


def kept(network: Patches) -> dict[str, Any]:
    """The patches, features and coefficients of a network, as plain data and a tensor."""
    assert isinstance(network.features, Polynomials)
    return {
        "cuts": [list(cut) for cut in network.layout.cuts],
        "degree": as_given(network.features.degrees),
        "until": network.until,
        "weight": network.output.weight.detach().clone(),
    }


def take(network: Patches, saved: Mapping[str, Any]) -> None:
    """Give a network what `kept` has of it."""
    like = network.output.weight.detach()
    network.features = Polynomials(saved["degree"])
    cuts = [(int(patch), int(axis), position) for patch, axis, position in saved["cuts"]]
    upper = network.reach(saved.get("until"))  # older checkpoints fill the domain
    network.lay(Layout(network.layout.lower, upper, cuts), like.shape[1])
    network.to(like)
    with torch.no_grad():
        network.output.weight.copy_(saved["weight"])
    network.remember()
