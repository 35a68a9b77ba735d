"""The unknowns of a problem as fields, represented by networks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from itertools import chain

import torch
from torch import Tensor, nn

from pinn.algebra.channels import HIGHEST, MANY, Channel, Plan, common_channels, order
from pinn.algebra.jet import Jet
from pinn.cache.tracing import is_transformed, keeps_graph
from pinn.choosing.memo import hold
from pinn.derivatives.evaluate import evaluate
from pinn.dry_run.gauge import Constant, choose_gauges, constants
from pinn.dry_run.leaves import orders_taken
from pinn.fields.field import Field, coordinate_field
from pinn.geometry.resolution import unresolved
from pinn.networks import Network
from pinn.networks.embeddings import shortest_periods
from pinn.physics.attributes import take_fields
from pinn.physics.declaration import check_instance
from pinn.physics.estimates import Estimate
from pinn.physics.problem import Problem
from pinn.physics.return_values import Fields
from pinn.solution.bare_network import guard, within_solution
from pinn.solution.foreign_network import check_network, check_width
from pinn.solution.gauge_offsets import Offset, shifted
from pinn.solution.product_features import is_product
from pinn.solution.product_sums import product_jet
from pinn.solution.queries import is_traced, warn_outside

SHARED = "all"
NUMBERS = 2**23  # that a network of many numbers per point holds of each step of its evaluation
FEW = 100  # numbers per point, up to which all points are evaluated together
TOGETHER = 2**14  # points evaluated at a time, divided by the derivatives
Plans = Mapping[str, Plan]
# What stands for the networks while residuals are differentiated by their outputs.
OUTPUTS: ContextVar[Callable[[str, Tensor, Plan], Jet] | None] = ContextVar("outputs", default=None)


class Representation(nn.Module):
    """uₖ(x) = ansatz(network(x))ₖ as fields: what training and every evaluation are made of.

    Args:
        problem: states the unknowns, the domain and the ansatz.
        network: one network for all unknowns, in declared order, or one per unknown.

    Raises:
        ValueError: networks are given for some unknowns only, or for names that are none.
    """

    _unread = ("estimates", "_reading", "_chosen")  # recorded graphs do not depend on them

    def __init__(self, problem: Problem, network: nn.Module | Mapping[str, nn.Module]) -> None:
        super().__init__()
        check_instance(problem, Problem)
        self.problem = problem
        networks = network if isinstance(network, Mapping) else {SHARED: network}
        if isinstance(network, Mapping) and set(network) != set(problem.raw):
            raise ValueError(
                f"networks are given for {sorted(network)}, the problem asks for "
                f"{sorted(problem.raw)}: give one network for each, or one for all"
            )
        if len(set(map(id, networks.values()))) < len(networks):
            raise ValueError("one network is given for several unknowns: make one for each")
        if lost := unresolved(problem.geometry, torch.float64):
            raise ValueError(f"{lost}: move the origin of that coordinate nearer to the domain")
        take_fields(problem, problem.geometry)
        for name, net in networks.items():
            check_network(net, problem.geometry, self.widths(name))
            if isinstance(net, Network):
                net.build(problem.geometry, sum(self.widths(name).values()))
        self.networks = nn.ModuleDict(dict(networks))
        self.strategy = dict.fromkeys(networks, "loop")
        self.taken = problem.in_double(lambda: orders_taken(problem))
        # The problem's coefficients with their intervals, where they are known.
        self.estimates: dict[str, Estimate] = {}
        self._reading, self._chosen = problem.in_double(lambda: choose_gauges(problem))
        used = constants(problem, self._reading)  # refuses an unknown gauge
        for net in networks.values():
            guard(net, problem, used)

    def unresolved(self, dtype: torch.dtype) -> str:
        """What of the domain, in words, points in a precision would not tell apart."""
        return unresolved(self.problem.geometry, dtype, shortest_periods(self))

    def check_precision(self, at: Tensor) -> None:
        """Refuse points that have lost their places."""
        if not isinstance(at, Tensor):
            raise TypeError(f"points are a {type(at).__name__}: give a tensor (N, D) to fields")
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
        outer = set(map(id, self.problem.parameters()))
        for network in self.networks.values():
            output = getattr(network, "output", None)
            if not isinstance(output, nn.Module):
                raise ValueError(
                    f"a phase trains the output layer alone, but {type(network).__name__} has no "
                    "module called output: name it so, or use train: all"
                )
            outer |= set(map(id, output.parameters()))
        return {name for name, parameter in self.named_parameters() if id(parameter) in outer}

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
        if plans is None:
            if not is_traced() and at.is_floating_point():
                warn_outside(self.problem.geometry, self.networks.values(), at)
            return self.gauged_fields(at, self.up_to(2))
        raw: Fields = {}
        with within_solution():
            for name in self.networks:
                raw |= self.split(name, self.jet(name, at, plans[name]))
        highest = max(max(plan.order, plan.coordinates) for plan in plans.values())
        coordinates = self.problem.geometry.coordinates
        known = self.known_channels(max(highest, 2), plans)
        position = coordinate_field(at, coordinates, channels=known)
        return self.problem.represent(raw, position), position

    def jet(self, name: str, at: Tensor, plan: Plan) -> Jet:
        """A network and its planned derivatives at points (N, D), or what stands for them."""
        given = OUTPUTS.get()
        if given is not None:
            return given(name, at, plan)
        network, strategy = self.networks[name], self.strategy[name]
        is_plain = not (keeps_graph() or is_transformed(at))
        if is_plain and at.dtype == torch.float64 and is_product(network):
            return product_jet(network, at, plan)
        many = getattr(network, "per_point", 1) * (1 + len(plan.channels))
        at_once = max(NUMBERS // many, 1)
        if at_once >= NUMBERS // FEW or not is_plain:
            return evaluate(network, at, plan, strategy)
        parts = [evaluate(network, some, plan, strategy) for some in at.split(at_once)]
        streams = {c: torch.cat([part.stream(c) for part in parts]) for c in plan.channels}
        return Jet(torch.cat([part.value for part in parts]), streams, lead=1)

    def shifted(self, unknowns: Fields, at: Tensor, offsets: Iterable[Offset]) -> Fields:
        """The unknowns at points (N, D) as fields, less what the gauges subtract."""
        moved = dict(unknowns)
        for offset in offsets:
            name = offset.constant.unknown
            with torch.no_grad():
                subtracted = offset(at)
            moved[name] = shifted(moved[name], subtracted, offset.along)
        return moved

    def gauged_fields(
        self, at: Tensor, plans: Plans, offsets: Iterable[Offset] | None = None
    ) -> tuple[Fields, Field]:
        """As `fields`, with the gauges applied, which a caller may have settled for more points."""
        if not is_traced():
            hold(self.networks, self.strategy, at, plans)
        unknowns, position = self.fields(at, plans)
        known = self.offsets(at, 2) if offsets is None else offsets
        return self.shifted(unknowns, at, known), position

    def plans(self, plan: Plan) -> dict[str, Plan]:
        """Per network, what gives the unknowns these derivatives, through the ansatz."""
        return self.up_to(plan.order) if self.taken else dict.fromkeys(self.networks, plan)

    def up_to(self, highest: int) -> dict[str, Plan]:
        """Plans that give the unknowns all derivatives up to an order, see `common_channels`."""
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
        if highest > 2:
            common = Plan(common).channels
        read = (channel for plan in plans.values() for channel in plan.channels)
        return tuple(sorted({*common, *read}, key=lambda c: (order(c), c)))

    def split(self, network: str, jet: Jet) -> Fields:
        """A network's outputs (N, C) as its unknowns.

        Raises:
            ValueError: the network has another number of outputs than its unknowns need.
        """
        widths = self.widths(network)
        check_width(repr(network), jet.shape[-1], widths)
        fields: Fields = {}
        start = 0
        for name, width in widths.items():
            part = jet[:, start] if self.problem.is_scalar(name) else jet[:, start : start + width]
            coordinates = self.problem.geometry.coordinates
            fields[name] = Field(part.value, part.streams, coordinates, name)
            start += width
        return fields

    def placed(self, at: Tensor, rows: int = 1) -> Iterator[Tensor]:
        """Points (N, D) in the solution's precision and on its device, so many at a time."""
        # The coefficients of the problem are in float64 for a while, where a quantity is taken.
        parameters = chain(self.networks.parameters(), self.parameters())
        like = next((p for p in parameters if p.dtype.is_floating_point), at)
        for piece in at.split(max(TOGETHER // rows, 1)):
            yield piece.to(like.device, like.dtype)

    def values(self, at: Tensor) -> dict[str, Tensor]:
        """The values of the unknowns as trained, before any gauge."""
        return {name: field.value for name, field in self.fields(at, self.plans(Plan()))[0].items()}

    @property
    def constants(self) -> list[Constant]:
        """What the gauges subtract; those that the problem leaves out were chosen at first."""
        return constants(self.problem, self._reading)

    @property
    def velocities(self) -> dict[tuple[str, ...], str]:
        """Components of what has no divergence → the residual that says so, if one does."""
        declared = {self.problem.components(name): "" for name in self.problem.divergence_free}
        return declared | self._reading.velocities

    @property
    def chosen_gauges(self) -> list[Constant]:
        """The gauges that the problem did not give, though its equations leave constants open."""
        return [c for c in self.constants if c.name in self._chosen]

    def constant_of(self, unknown: str, component: int = 0) -> Constant | None:
        """The gauge of a component of an unknown; None where the equations fix it."""
        own = (c for c in self.constants if c.unknown == unknown and component in c.components)
        return next(own, None)

    @torch.no_grad()
    def offsets(self, at: Tensor, order: int = 0) -> list[Offset]:
        """What the gauges subtract at points (N, D), with derivatives up to an order."""
        used = [c for c in self.constants if c.gauge != "free"]
        if is_traced() and any(c.along for c in used):
            raise RuntimeError(
                f"the gauge of {used[0].unknown!r} is taken at every instant or parameter, which a "
                "traced graph cannot do: use solution.export(path)"
            )
        return [self.offset(c, at, order) for c in used]

    def offset(self, constant: Constant, at: Tensor, order: int, frozen: bool = False) -> Offset:
        """What one gauge subtracts, see `Offset`."""

        def unknown(at: Tensor, plan: Plan) -> Field:
            return self.fields(at, self.plans(plan))[0][constant.unknown]

        at = at.to(next(self.placed(at[:0])))
        return Offset(self.problem, constant, unknown, at, order, frozen)
