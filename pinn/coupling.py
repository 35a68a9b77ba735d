"""Which residuals see all points of their region at once.

A residual is called on random fields: at some points together and at parts of them, and with one
point that is not a number. Whatever it is multiplied by, the other points show it.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.fields import Field, coordinate_field
from pinn.integrals import Shared, over, sharing
from pinn.problem import Fields, Problem
from pinn.residuals import Residual

POINTS = 6
SIZES = (1.0, 30.0)  # of the random fields: a condition may be met by all values of one size
NEAR = 1e-9


class Constant(Shared):
    """Means that do not depend on anything: what is left is seen in another way."""

    def number(self, compute: Callable[[], Tensor]) -> Tensor:
        """One, of the shape of the mean."""
        found = super().number(compute)
        return torch.ones_like(found)


@dataclass
class Trial:
    """A residual at some points of a region, on random fields.

    Args:
        problem: whose.
        residual: which.
        region: where.
        highest: the order of the derivatives.
    """

    problem: Problem
    residual: Residual
    region: str
    highest: int

    def __post_init__(self) -> None:
        geometry = self.problem.geometry
        points = geometry.sample(self.region, POINTS)
        # Measured points are all there: take some from end to end.
        index = torch.linspace(0, len(points) - 1, min(POINTS, len(points))).round().long()
        self.points = points.select(index)
        self.measure = None if geometry.is_measured(self.region) else geometry.measure(self.region)
        self.means = 0

    def __call__(self, leaves: Fields, which: list[int], lost: int | None = None) -> Tensor:
        """√w r at some of the points; with one of all points that is not a number."""
        index = torch.tensor(which)
        points, fields = self.points.select(index), {}
        for name, field in leaves.items():
            streams = {c: field.stream(c)[index] for c in field.streams}
            fields[name] = Field(field.value[index], streams, field.coordinates, name)
        if lost is not None:
            points = points.map(lambda t: spoilt(t, lost))
            for name, f in fields.items():
                streams = {c: spoilt(f.stream(c), lost) for c in f.streams}
                fields[name] = Field(spoilt(f.value, lost), streams, f.coordinates, name)
        at = coordinate_field(points.at, self.problem.geometry.coordinates, self.highest)
        means = Constant()
        unknowns = self.problem.represent(fields, at)
        with sharing(means), over(self.measure, points.weights):
            value = self.problem.evaluate(self.residual, unknowns, at, points)
        self.means = len(means.values)
        weight = self.problem.importance(self.region, points.at)
        if weight is not None:
            value = value * weight.sqrt().reshape(-1, *[1] * (value.ndim - 1))
        return value.detach().double().flatten(1) if value.ndim > 1 else value.detach()[:, None]


def seen(
    problem: Problem,
    residual: Residual,
    region: str,
    leaves: Callable[[int], Fields],
    highest: int,
) -> tuple[bool, bool]:
    """Whether a residual reads a mean or integral, and whether it sees other points besides.

    Args:
        problem: whose.
        residual: which.
        region: where.
        leaves: what the networks give at so many points: random fields.
        highest: the order of the derivatives.
    """
    trial = Trial(problem, residual, region, highest)
    n = len(trial.points)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # of fields that no solution has
        found = [differs(trial, scaled(leaves(n), size), n) for size in SIZES]
        spoils = n > 1 and spreads(trial, leaves(n), n)
    return trial.means > 0, n > 1 and (any(found) or spoils)


def differs(trial: Trial, leaves: Fields, n: int) -> bool:
    """Whether values at some points are others where the rest is missing."""
    try:
        whole, again = (trial(leaves, list(range(n))) for _ in range(2))
    except Exception:  # a factor of a matrix that has none, for these fields alone
        return False
    if n < 2 or not torch.equal(whole.nan_to_num(0.5), again.nan_to_num(0.5)):
        return False  # random numbers are no points
    parts = torch.zeros_like(whole)
    try:
        for which in (list(range(0, n, 2)), list(range(1, n, 2))):
            parts[which] = trial(leaves, which)
    except Exception:  # so many points are expected
        return True
    size = float(whole.nan_to_num(0, 0, 0).abs().max())
    return not torch.allclose(whole, parts, NEAR, NEAR * size, equal_nan=True)


def spreads(trial: Trial, leaves: Fields, n: int) -> bool:
    """Whether a point that is not a number makes others so."""
    everywhere = list(range(n))
    try:
        before = trial(leaves, everywhere).isnan().any(1)
        for lost in (0, n - 1):
            after = trial(leaves, everywhere, lost).isnan().any(1)
            after[lost] = False
            if bool((after & ~before).any()):
                return True
    except Exception:  # some functions refuse what is not a number
        return False
    return False


def scaled(leaves: Fields, size: float) -> Fields:
    """Fields of both signs, of about this size."""
    generator = torch.Generator().manual_seed(1)

    def moved(values: Tensor) -> Tensor:
        return size * values.detach() * torch.randn(values.shape, generator=generator).to(values)

    return {
        name: Field(moved(f.value), {c: moved(f.stream(c)) for c in f.streams}, f.coordinates, name)
        for name, f in leaves.items()
    }


def spoilt(values: Tensor, which: int) -> Tensor:
    """Values of which one point's are not numbers."""
    found = values.detach().clone()
    found[which] = torch.nan
    return found
