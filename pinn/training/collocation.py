"""Collocation points: drawn on the fly, kept on the device; the loader only ticks."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader

from pinn.base.messages import check_name, echo, whole
from pinn.base.processes import gathered, processes
from pinn.geometry import Points
from pinn.geometry.refinement import refined, refinement
from pinn.geometry.regions import INSTANTS
from pinn.geometry.sampling import METHODS, stream_seed
from pinn.physics.problem import Problem
from pinn.solution.plans import RegionPlan
from pinn.training.adaptive_points import CANDIDATES, choose

VOLUME, FACE = 1000, 200  # points where a configuration gives no number
VOLUMES = ("interior", *INSTANTS)
HELD_OUT = -1  # the "step" whose points validation uses and training never draws


class Collocation(L.LightningDataModule):
    """Where the residuals are evaluated.

    Points follow from (seed, step, rank, region) alone, so a resumed run draws the same ones;
    adapted ones also from the weights at that step, so a checkpoint says which they are.

    Args:
        points: region → number of points, per process; by default 1000 in a region with volume and
            200 on a face. With `gauss` it is the number of all processes together.
        method: `sobol` (low discrepancy), `lhs` (Latin hypercube), `uniform`, or `gauss`: the
            points and weights of Gauss–Legendre quadrature, kᵈ near the number asked for, with
            which the loss is an integral to many digits where the residual is smooth. Several
            processes divide them, and measured points too.
        resample: draw new points every so many steps; 0 keeps the first ones.
        adapt: from the second draw on, take points where the residual is large, see `adaptation`.
            A loss is then the mean over these points, not over the region: on purpose it counts
            most what is worst. The held-out points stay as they are.
        refine: part of the boundary → a length: half of the points of the interior, and of the
            first instant, lie within that length of the part. They have weights, so that a loss
            stays an integral over the region, see `refinement`.
        held_out: points per region that validation uses.
        seed: the seed of all draws.

    Raises:
        ValueError: a number of points, or the period, is out of range, or the method unknown.
    """

    placed: Callable[[str, bool], Points] | None = None  # who says where points lie

    def __init__(
        self,
        points: dict[str, int] | None = None,
        method: Literal["sobol", "lhs", "uniform", "gauss"] = "sobol",
        resample: int = 0,
        adapt: bool = False,
        refine: dict[str, float] | None = None,
        held_out: int = 2000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(points, Mapping | None):
            raise ValueError(
                f"data.points is {echo(points)}: give the number of each region, "
                "{'interior': 1000}"
            )
        self.points = dict(points or {})
        for region, count in self.points.items():
            whole(f"data.points.{region}", count)
        check_name(method, METHODS, f"data.method {method!r} is unknown")
        self.method, self.given = method, bool(points)
        self.resample = whole("data.resample", resample, least=0)
        if resample and method == "gauss":
            raise ValueError(
                f"data.resample is {resample}, but gauss has one set of points: set it to 0, or "
                "draw with sobol"
            )
        if adapt and not resample:
            raise ValueError(
                "data.adapt is true, but data.resample is 0: set it to the steps between draws, "
                "such as 200"
            )
        self.adapt = adapt
        self.refine = lengths(refine, method, adapt)
        self.error: Callable[[str, Points], Tensor]  # at points of a region; set by the solver
        self.coupled: dict[str, str] = {}  # region → a residual that sees all of its points
        self.seen_whole: set[str] = set()  # measured regions of which a residual sees all points
        self.held_out, self.seed = whole("data.held_out", held_out), seed
        self._drawn: tuple[tuple, dict[str, Points]] | None = None
        self._chosen: tuple[tuple[int, int], dict[str, Tensor]] = ((0, 0), {})

    def place(self, placed: Callable[[str, bool], Points]) -> None:
        """Take the points, and those held out, from elsewhere; anew from now on.

        Raises:
            ValueError: it is also said here how they are drawn.
        """
        given = {"points": self.given, "resample": self.resample, "refine": self.refine}
        for name in [name for name, value in given.items() if value]:
            raise ValueError(
                f"data.{name} is given, and model.accuracy chooses the points: remove one of them"
            )
        self.placed, self._drawn = placed, None

    def check(self, problem: Problem, plans: Mapping[str, RegionPlan] | None = None) -> None:
        """Hold the numbers of points against the problem's regions, and fill in the missing ones.

        Args:
            problem: whose regions.
            plans: what each region's residuals read.

        Raises:
            ValueError: a number is given for a region without residuals, or points are to be drawn
                where a residual is large, and a residual takes a mean over them.
        """
        drawn = {r: p for r, p in (plans or {}).items() if not problem.geometry.is_measured(r)}
        self.coupled = {r: p.coupled[0] for r, p in drawn.items() if p.coupled}
        self.seen_whole = {r for r, p in (plans or {}).items() if p.coupled} - drawn.keys()
        for region, plan in drawn.items():
            if self.adapt and plan.is_whole:
                raise ValueError(
                    f"data.adapt is true, but {(*plan.averaged, *plan.coupled)[0]!r} reads all "
                    f"points of {region!r}, which then lie where a residual is large: set it to "
                    "false"
                )
        regions = problem.regions()
        name = type(problem).__name__
        for region in self.points:
            line = f"data.points names region {region!r}, where {name} has no residual"
            check_name(region, regions, line)
        for region in regions:
            default = VOLUME if region in VOLUMES else FACE
            self.points.setdefault(region, default)
        self.check_refinement(problem)
        self._drawn = None  # perhaps of another problem

    def check_refinement(self, problem: Problem) -> None:
        """Hold the lengths of `refine` against the parts of the boundary.

        Raises:
            ValueError: a part is unknown, or next to no point lies near it.
        """
        for region in problem.regions() if self.refine else ():
            if region in VOLUMES:
                try:
                    refinement(problem.geometry, region, tuple(self.refine.items()))
                except ValueError as error:
                    raise ValueError(f"data.refine: {error}") from None

    def check_processes(self, count: int) -> None:
        """Hold what residuals read against the number of processes.

        Raises:
            ValueError: a residual would read the points of one process in the place of all.
        """
        for region, name in self.coupled.items() if count > 1 else ():
            raise ValueError(
                f"{name!r} reads all points of {region!r}, of which {count} processes have their "
                "own: write what it reads as mean(…) or integral(…), or take one process"
            )

    def draw(self, problem: Problem, step: int, rank: int, like: Tensor) -> dict[str, Points]:
        """The points of every region for a step, in the dtype and on the device of `like`."""
        draw = step // self.resample if self.resample else 0
        key = (draw, rank, like.dtype, like.device)
        if self._drawn is None or self._drawn[0] != key:
            if self.adapt and draw:
                drawn = self._adapted(problem, draw, rank, like)
            else:
                drawn = {r: self._sample(problem, r, n, draw, rank) for r, n in self.points.items()}
            self._drawn = (key, {region: points.to(like) for region, points in drawn.items()})
        return self._drawn[1]

    def draw_held_out(self, problem: Problem, like: Tensor) -> dict[str, Points]:
        """Points that training never sees, the same on every rank."""
        # As many as train where a residual may have counted them.
        counts = dict.fromkeys(problem.regions(), self.held_out)
        counts |= {region: self.points[region] for region in self.coupled}
        return {r: self._sample(problem, r, n, HELD_OUT, 0).to(like) for r, n in counts.items()}

    def _adapted(self, problem: Problem, draw: int, rank: int, like: Tensor) -> dict[str, Points]:
        """Those of many points of each region that were chosen, or are now; all measured ones."""
        drawn, chosen = {}, self._chosen[1] if self._chosen[0] == (draw, rank) else {}
        for region, count in self.points.items():
            if problem.geometry.is_measured(region):
                drawn[region] = self._sample(problem, region, count, draw, rank)
                continue
            many = self._sample(problem, region, CANDIDATES * count, draw, rank)
            if region not in chosen:
                seed = stream_seed(self.seed, draw, rank, f"{region}, chosen")
                chosen[region] = choose(self.error(region, many.to(like)), count, seed)
            drawn[region] = many.select(chosen[region])
        self._chosen = ((draw, rank), chosen)
        return drawn

    def _sample(self, problem: Problem, region: str, n: int, draw: int, rank: int) -> Points:
        if self.placed is not None:
            points = self.placed(region, draw == HELD_OUT)
            shared = draw == HELD_OUT or processes() == 1
            return points if shared else points.part(rank, processes())
        seed = stream_seed(self.seed, draw, rank, region)
        held_out = draw == HELD_OUT and self.method == "gauss"  # whose points training uses
        method = "sobol" if held_out else self.method
        if self.refine and draw != HELD_OUT and region in VOLUMES:
            return refined(problem.geometry, region, n, self.refine, method, seed)
        points, count = problem.geometry.sample(region, n, method, seed), processes()
        if draw == HELD_OUT or count == 1 or not self.divides(problem, region):
            return points
        return points.evenly(count) if region in self.seen_whole else points.part(rank, count)

    def divides(self, problem: Problem, region: str) -> bool:
        """Whether all processes together have the points of a region once."""
        return self.method == "gauss" or problem.geometry.is_measured(region)

    def settings(self) -> dict[str, Any]:
        """What was asked for, as plain data."""
        names = ("points", "method", "resample", "adapt", "held_out", "seed")
        asked = {name: getattr(self, name) for name in names}
        return asked | ({"refine": dict(self.refine)} if self.refine else {})

    def state_dict(self) -> dict[str, Any]:
        """How many processes draw points, and which ones each of them chose last, if it did."""
        (draw, _), chosen = self._chosen
        adapted = {"settings": self.settings(), "draw": draw, "chosen": gathered(chosen)}
        return {"processes": processes(), **(adapted if chosen else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the points chosen last, unless settings or processes are others."""
        trainer: Any = self.trainer
        same = state_dict.get("settings") == self.settings()
        if same and len(state_dict["chosen"]) == trainer.world_size:
            rank = trainer.global_rank
            self._chosen = ((state_dict["draw"], rank), state_dict["chosen"][rank])

    def train_dataloader(self) -> Iterator[int]:
        """One tick per step, without end; a `DataLoader` has its own work to do for every batch."""
        return itertools.repeat(0)

    def val_dataloader(self) -> DataLoader:
        """One tick."""
        return DataLoader([0], batch_size=None)  # type: ignore[arg-type]


def lengths(given: Any, method: str, adapt: bool) -> dict[str, float]:
    """The lengths of `refine`, part → length.

    Raises:
        ValueError: one is no positive number, or points are placed in another way too.
    """
    if not isinstance(given, Mapping | None):
        raise ValueError(f"data.refine is {echo(given)}: give a length by part, {{cylinder: 0.1}}")
    for part, length in (given or {}).items():
        real = isinstance(length, int | float) and not isinstance(length, bool)
        if not (real and 0 < length < math.inf):
            raise ValueError(f"data.refine.{part} is {echo(length)}: give a positive length")
    if given and method == "gauss":
        raise ValueError(
            "data.refine is given, but gauss places its points by itself: draw with sobol, or "
            "leave refine out"
        )
    if given and adapt:
        raise ValueError(
            "data.refine is given and data.adapt is true, but both say where points lie: choose one"
        )
    return {part: float(length) for part, length in (given or {}).items()}
