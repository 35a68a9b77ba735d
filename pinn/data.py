"""Collocation points: drawn on the fly, kept on the device; the loader only ticks."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader

from pinn.geometry import Points
from pinn.geometry.coordinates import near_miss, whole
from pinn.geometry.sampling import METHODS, stream_seed
from pinn.problem import Problem

VOLUME, FACE = 1000, 200  # points where a configuration gives no number
HELD_OUT = -1  # the "step" whose points validation uses and training never draws


class Ticks:
    """0, 1, 2, …: one tick per training step, without end.

    Not a `DataLoader`, which has its own work to do for every batch.
    """

    def __iter__(self) -> Iterator[int]:
        return itertools.count()


class Collocation(L.LightningDataModule):
    """Where the residuals are evaluated.

    Points follow from (seed, step, rank, region) alone, so a resumed run draws the same ones.

    Args:
        points: region → number of points, per process; by default 1000 in a region with volume and
            200 on a face.
        method: `sobol` (low discrepancy), `lhs` (Latin hypercube), `uniform`, or `gauss`: the
            points and weights of Gauss–Legendre quadrature, kᵈ near the number asked for, with
            which the loss is an integral to many digits where the residual is smooth.
        resample: draw new points every so many steps; 0 keeps the first ones.
        held_out: points per region that validation uses.
        seed: the seed of all draws.

    Raises:
        ValueError: a number of points, or the period, is out of range, or the method unknown.
    """

    def __init__(
        self,
        points: dict[str, int] | None = None,
        method: Literal["sobol", "lhs", "uniform", "gauss"] = "sobol",
        resample: int = 0,
        held_out: int = 2000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.points = dict(points or {})
        for region, count in self.points.items():
            whole(f"data.points.{region}", count)
        if method not in METHODS:
            raise ValueError(f"data.method {method!r} is unknown: {near_miss(method, METHODS)}")
        self.method = method
        self.resample = whole("data.resample", resample, least=0)
        if resample and method == "gauss":
            raise ValueError(
                f"data.resample is {resample}, but gauss has one set of points: set it to 0, or "
                "draw with sobol"
            )
        self.held_out = whole("data.held_out", held_out)
        self.seed = seed
        self._drawn: tuple[tuple, dict[str, Points]] | None = None

    def check(self, problem: Problem) -> None:
        """Hold the numbers of points against the problem's regions, and fill in the missing ones.

        Raises:
            ValueError: a number is given for a region without residuals.
        """
        regions = problem.regions()
        for region in self.points:
            if region not in regions:
                raise ValueError(
                    f"data.points names region {region!r}, where {type(problem).__name__} has no "
                    f"residual: {near_miss(region, regions)}"
                )
        for region in regions:
            default = VOLUME if region in ("interior", "initial") else FACE
            self.points.setdefault(region, default)
        self._drawn = None  # perhaps of another problem

    def check_processes(self, count: int) -> None:
        """Hold the method against the number of processes.

        Raises:
            ValueError: all processes would have the same points.
        """
        if count > 1 and self.method == "gauss":
            raise ValueError(
                f"data.method is gauss, which gives all {count} processes the same points: draw "
                "with sobol"
            )

    def draw(self, problem: Problem, step: int, rank: int, like: Tensor) -> dict[str, Points]:
        """The points of every region for a step, in the dtype and on the device of `like`."""
        draw = step // self.resample if self.resample else 0
        key = (draw, rank, like.dtype, like.device)
        if self._drawn is None or self._drawn[0] != key:
            points = {
                region: placed(self._sample(problem, region, count, draw, rank), like)
                for region, count in self.points.items()
            }
            self._drawn = (key, points)
        return self._drawn[1]

    def draw_held_out(self, problem: Problem, like: Tensor) -> dict[str, Points]:
        """Points that training never sees, the same on every rank."""
        return {
            region: placed(self._sample(problem, region, self.held_out, HELD_OUT, 0), like)
            for region in problem.regions()
        }

    def _sample(self, problem: Problem, region: str, n: int, draw: int, rank: int) -> Points:
        seed = stream_seed(self.seed, draw, rank, region)
        held_out = draw == HELD_OUT and self.method == "gauss"  # whose points training uses
        method = "sobol" if held_out else self.method
        return problem.geometry.sample(region, n, method, seed)

    def train_dataloader(self) -> Ticks:
        """An endless sequence of ticks."""
        return Ticks()

    def val_dataloader(self) -> DataLoader:
        """One tick."""
        return DataLoader([0], batch_size=None)  # type: ignore[arg-type]


def placed(points: Points, like: Tensor) -> Points:
    """Points in the dtype and on the device of `like`."""

    def move(values: Tensor) -> Tensor:
        return values.to(device=like.device, dtype=like.dtype)

    return replace(
        points,
        at=move(points.at),
        normal=None if points.normal is None else move(points.normal),
        weights=None if points.weights is None else move(points.weights),
        columns={name: move(column) for name, column in points.columns.items()},
    )
