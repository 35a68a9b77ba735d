"""A solution: a problem with the networks that represent its unknowns."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pinn.algebra.channels import (
    HIGHEST,
    MANY,
    Channel,
    Plan,
    common_channels,
    every_channel,
    order,
)
from pinn.algebra.jet import Jet
from pinn.algebra.series import MissingDerivativeError
from pinn.derivatives import evaluate
from pinn.estimate import Estimate
from pinn.fields import Field, coordinate_field
from pinn.geometry import Geometry
from pinn.geometry.grids import averaging_points
from pinn.geometry.resolution import unresolved
from pinn.networks import Network
from pinn.networks.embeddings import shortest_periods
from pinn.problem import Fields, Problem
from pinn.queries import query
from pinn.trusted import hold

SHARED = "all"
TOGETHER = 2**14  # points evaluated at a time, divided by the derivatives
Plans = Mapping[str, Plan]


class Solution(nn.Module):
    """uₖ(x) = ansatz(network(x))ₖ, with every derivative a residual may read.

    Args:
        problem: states the unknowns, the domain and the ansatz.
        network: one network for all unknowns, in declared order, or one per unknown.
        strategy: per network, how its derivatives are computed.

    Raises:
        ValueError: networks are given for some unknowns only, or for names that are none.
    """

    _unread = ("estimates",)  # recorded graphs do not depend on it

    def __init__(self, problem: Problem, network: nn.Module | Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.problem = problem
        networks = network if isinstance(network, Mapping) else {SHARED: network}
        if isinstance(network, Mapping) and set(network) != set(problem.raw):
            raise ValueError(
                f"networks are given for {sorted(network)}, the problem asks for "
                f"{sorted(problem.raw)}: give one network for each, or one for all"
            )
        if len(set(map(id, networks.values()))) < len(networks):
            raise ValueError("one network is given for several unknowns: make one for each")
        check_gauges(problem)
        if lost := unresolved(problem.geometry, torch.float64):
            raise ValueError(f"{lost}: move the origin of that coordinate nearer to the domain")
        for name, net in networks.items():
            if isinstance(net, Network):
                net.build(problem.geometry, sum(self.widths(name).values()))
        self.networks = nn.ModuleDict(dict(networks))
        self.strategy = dict.fromkeys(networks, "loop")
        self.taken = orders_taken(problem)
        # The problem's coefficients with their intervals, where they are known.
        self.estimates: dict[str, Estimate] = {}

    def unresolved(self, dtype: torch.dtype) -> str:
        """What of the domain, in words, points in a precision would not tell apart."""
        return unresolved(self.problem.geometry, dtype, shortest_periods(self))

    def check_precision(self, at: Tensor) -> None:
        """Refuse points that have lost their places."""
        if at.dtype == torch.float32 and (lost := self.unresolved(at.dtype)):
            raise ValueError(f"{lost}: give points, and keep the solution, in float64")

    def widths(self, network: str) -> dict[str, int]:
        """What a network gives, and how many components each has, in order."""
        names = self.problem.raw if network == SHARED else (network,)
        return {name: len(self.problem.components(name)) for name in names}

    def outer_parameters(self) -> set[str]:
        """The names of the output layers' parameters and of the problem's coefficients.

        A parameter in several places goes by its first name, as in `named_parameters`.

        Raises:
            ValueError: a network has no layer called `output`.
        """
        found = set(map(id, self.problem.parameters()))
        for network in self.networks.values():
            output = getattr(network, "output", None)
            if not isinstance(output, nn.Module):
                raise ValueError(
                    f"a phase trains the output layer alone, but {type(network).__name__} has no "
                    "module called output: name it so, or use train: all"
                )
            found |= set(map(id, output.parameters()))
        return {name for name, parameter in self.named_parameters() if id(parameter) in found}

    def fields(self, at: Tensor, plans: Plans | None = None) -> tuple[Fields, Field]:
        """The unknowns and the coordinates as fields: one evaluation per network.

        Args:
            at: points (N, D).
            plans: per network, the derivatives to produce; all up to second order by default.

        Returns:
            The unknowns by name, and the coordinates (N, D). Without plans the gauges are applied,
            so that the values are those of `forward`; the residuals do not read them.
        """
        self.check_precision(at)
        wanted = self.up_to(2) if plans is None else plans
        if plans is None:
            hold(self.networks, self.strategy, at, wanted)
        raw: Fields = {}
        for name, network in self.networks.items():
            raw |= self.split(name, evaluate(network, at, wanted[name], self.strategy[name]))
        highest = max(plan.order for plan in wanted.values())
        coordinates = self.problem.geometry.coordinates
        known = self.known_channels(max(highest, 2), wanted)
        position = coordinate_field(at, coordinates, channels=known)
        unknowns = self.problem.represent(raw, position)
        if plans is None:
            for name, offset in self.gauge_offsets(at.dtype, at.device).items():
                unknowns[name] = (unknowns[name] - offset).named(name)
        return unknowns, position

    def up_to(self, highest: int) -> dict[str, Plan]:
        """Plans that give the unknowns all derivatives up to an order, where there are so many.

        In more than six dimensions the mixed ones are left out: see `common_channels`.
        """
        coordinates = self.problem.geometry.coordinates
        highest = min(highest + self.taken, HIGHEST)
        common = common_channels(len(coordinates), coordinates.space, highest)
        return dict.fromkeys(self.networks, Plan(common))

    def known_channels(self, highest: int, plans: Plans) -> tuple[Channel, ...]:
        """The derivatives of the coordinates: those of the unknowns, and all usual ones."""
        coordinates = self.problem.geometry.coordinates
        common = common_channels(len(coordinates), coordinates.space, highest)
        if len(coordinates) <= MANY:
            return common
        read = (channel for plan in plans.values() for channel in plan.channels)
        return tuple(sorted({*common, *read}, key=lambda c: (order(c), c)))

    def split(self, network: str, jet: Jet) -> Fields:
        """A network's outputs (N, C) as its unknowns.

        Raises:
            ValueError: the network has another number of outputs than its unknowns need.
        """
        widths = self.widths(network)
        if jet.shape[-1] != sum(widths.values()):
            raise ValueError(
                f"network {network!r} has {jet.shape[-1]} outputs, the unknowns {list(widths)} "
                f"need {sum(widths.values())}"
            )
        fields: Fields = {}
        start = 0
        for name, width in widths.items():
            part = jet[:, start] if self.problem.is_scalar(name) else jet[:, start : start + width]
            coordinates = self.problem.geometry.coordinates
            fields[name] = Field(part.value, part.streams, coordinates, name)
            start += width
        return fields

    @torch.no_grad()
    def forward(self, points: Any) -> dict[str, Any]:
        """The values of the unknowns at points (…, D), gauges applied; no derivatives.

        Args:
            points: a tensor, a NumPy array, nested lists, or a column per coordinate: a dict or a
                data frame. They are evaluated in the solution's own precision.

        Returns:
            name → (…) for a scalar, (…, C) for a vector, in the solution's precision: tensors, on
            the device of the points, where tensors were given, and else NumPy arrays.

        Raises:
            TypeError: the points are not real numbers.
            ValueError: they have another number of coordinates, or one that is not finite.
        """
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # all points in one graph
            return self.gauged_values(points)
        asked = query(points, self.problem.geometry.coordinates)
        self.check_precision(asked.at)
        warn_outside(self.problem.geometry, asked.at)
        with evaluating(self):
            parts = [
                {name: value.to(asked.at.device) for name, value in found.items()}
                for found in map(self.gauged_values, self.placed(asked.at))
            ]
        return {n: asked.answer(torch.cat([part[n] for part in parts])) for n in parts[0]}

    def placed(self, at: Tensor, rows: int = 1) -> Iterator[Tensor]:
        """Points (N, D) in the solution's precision and on its device, so many at a time."""
        like = next((p for p in self.parameters() if p.dtype.is_floating_point), at)
        for piece in at.split(max(TOGETHER // rows, 1)):
            yield piece.to(like.device, like.dtype)

    def gauged_values(self, at: Tensor) -> dict[str, Tensor]:
        """The values of the unknowns at points (N, D) in the solution's precision."""
        values = self.values(at)
        for name, offset in self.gauge_offsets(at.dtype, at.device).items():
            values[name] = values[name] - offset
        return values

    def values(self, at: Tensor) -> dict[str, Tensor]:
        """The values of the unknowns as trained, before any gauge."""
        return {name: field.value for name, field in self.fields(at, self.up_to(0))[0].items()}

    @torch.no_grad()
    def gauge_offsets(self, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
        """The constants that the gauges subtract: the mean by the midpoint rule, or a value."""
        geometry, offsets = self.problem.geometry, {}
        for name, gauge in self.problem.gauges.items():
            if gauge == "free":
                continue
            if gauge == "zero_mean":
                at = averaging_points(geometry, range(len(geometry.coordinates)))
            else:
                at = torch.tensor([geometry.lower], dtype=torch.float64)
            offsets[name] = self.values(at.to(device, dtype))[name].mean(0)
        return offsets


@contextmanager
def evaluating(solution: nn.Module) -> Iterator[None]:
    """As `eval()`, for a while: a solution gives the same values while it is trained."""
    training = [module for module in solution.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def warn_outside(geometry: Geometry, at: Tensor) -> None:
    """Say that points (N, D) lie outside the domain, where nothing was trained."""
    lower, upper = at.new_tensor(geometry.lower), at.new_tensor(geometry.upper)
    # Printed or single-precision positions may miss a wall by their rounding error.
    slack = 1e-6 * (upper - lower)
    outside = int(((at < lower - slack) | (at > upper + slack)).any(dim=-1).sum())
    if outside:
        warnings.warn(
            f"{outside} of {len(at)} points lie outside {geometry!r}, where the solution was not "
            "trained: its values there mean nothing by themselves",
            stacklevel=3,
        )


def orders_taken(problem: Problem) -> int:
    """How many orders of differentiation the ansatz uses up: 1 for a stream function, mostly 0."""
    coordinates = problem.geometry.coordinates
    at = coordinate_field(problem.geometry.sample("interior", 1).at, coordinates)
    for taken in range(HIGHEST):
        raw = {}
        for name in problem.raw:
            shape = (1,) if problem.is_scalar(name) else (1, len(problem.components(name)))
            one = at.value.new_ones(shape)
            streams = dict.fromkeys(every_channel(len(coordinates), coordinates.space, taken), one)
            raw[name] = Field(one, streams, coordinates, name)
        try:
            problem.represent(raw, at)
        except MissingDerivativeError:
            continue
        return taken
    name = type(problem).__name__
    raise ValueError(f"{name}.ansatz differentiates more than {HIGHEST - 1} times")


def check_gauges(problem: Problem) -> None:
    """Refuse a gauge that one constant cannot set.

    Raises:
        ValueError: with time, the constant would have to be chosen at every instant.
    """
    for name, gauge in problem.gauges.items():
        if gauge != "free" and problem.geometry.coordinates.time is not None:
            raise ValueError(
                f"the gauge of {name!r} is {gauge!r}, but the problem depends on time: use 'free'"
            )
