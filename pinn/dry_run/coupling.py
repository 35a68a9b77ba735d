"""Which residuals see all points of their region at once.

A residual is called on random fields: at some points together and at parts of them, and with one
point that is not a number. Whatever it is multiplied by, the other points show it.
"""

import warnings
from collections.abc import Callable
from functools import partial
from operator import itemgetter

import torch
from torch import Tensor

from pinn.dry_run.leaves import dry_run, mapped, raw_leaves
from pinn.fields.integrals import Shared, over, sharing
from pinn.physics.problem import Fields, Problem
from pinn.physics.residuals import Residual

POINTS = 6
SIZES = (1.0, 30.0)  # of the random fields: a condition may be met by all values of one size
NEAR = 1e-9
Change = Callable[[Tensor], Tensor]
Trial = Callable[..., Tensor]  # the values of a residual on fields, as they are or changed


class Constant(Shared):
    """Means that do not depend on anything: what is left is seen in another way."""

    def number(self, compute: Callable[[], Tensor]) -> Tensor:
        """One, of the shape of the mean."""
        return torch.ones_like(super().number(compute))


def couplings(problem: Problem, residual: Residual, region: str, highest: int) -> tuple[bool, bool]:
    """Whether a residual reads a mean or integral, and whether it sees other points besides."""
    geometry = problem.geometry
    sample = geometry.sample(region, POINTS)
    # Measured points are all there: take some from end to end.
    which = torch.linspace(0, len(sample) - 1, min(POINTS, len(sample))).round().long()
    chosen = sample.select(which)
    leaves = raw_leaves(problem, chosen, highest)
    measure = None if geometry.is_measured(region) else geometry.measure(region)
    means: list[Tensor] = []

    def values(fields: Fields, change: Change = torch.clone) -> Tensor:
        """√w r (N, C), where fields and points are changed alike."""
        points, shared = chosen.map(change), Constant()
        with sharing(shared), over(measure, points.weights):
            value = dry_run(problem, residual, points, highest, mapped(fields, change))[1]
        means.extend(shared.values)
        value = value.detach().double().reshape(len(value), -1)
        weight = problem.importance(region, points.at)
        return value if weight is None else value * weight.sqrt().reshape(-1, 1)

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # of fields that no solution has
        differing = [differs(values, scaled(leaves, size)) for size in SIZES]
        others = len(chosen) > 1 and (any(differing) or spreads(values, leaves))
        return len(means) > 0, others


def differs(trial: Trial, leaves: Fields) -> bool:
    """Whether values at some points are others where the rest is missing."""
    try:
        whole, again = trial(leaves), trial(leaves)
    except Exception:  # a factor of a matrix that has none, for these fields alone
        return False
    if len(whole) < 2 or not torch.equal(whole.nan_to_num(0.5), again.nan_to_num(0.5)):
        return False  # random numbers are no points
    parts = torch.zeros_like(whole)
    try:
        for some in (slice(0, None, 2), slice(1, None, 2)):
            parts[some] = trial(leaves, itemgetter(some))
    except Exception:  # so many points are expected
        return True
    size = float(whole.nan_to_num(0, 0, 0).abs().max())
    return not torch.allclose(whole, parts, NEAR, NEAR * size, equal_nan=True)


def spreads(trial: Trial, leaves: Fields) -> bool:
    """Whether a point that is not a number makes others so."""
    try:
        before = trial(leaves).isnan().any(1)
        for lost in (0, len(before) - 1):
            after = trial(leaves, partial(spoilt, which=lost)).isnan().any(1)
            after[lost] = False
            if bool((after & ~before).any()):
                return True
    except Exception:  # some functions refuse what is not a number
        return False
    return False


def scaled(leaves: Fields, size: float) -> Fields:
    """Fields of both signs, of about this size."""
    generator = torch.Generator().manual_seed(1)
    return mapped(
        leaves, lambda v: size * v.detach() * torch.randn(v.shape, generator=generator).to(v)
    )


def spoilt(values: Tensor, which: int) -> Tensor:
    """Values of which one point's are not numbers."""
    values = values.detach().clone()
    values[which] = torch.nan
    return values
