"""Problems: the physics, in the paper's notation."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor

from pinn.algebra.series import MissingDerivativeError
from pinn.base.messages import check_name
from pinn.fields.autograd_calls import Ported
from pinn.fields.constants import remembered
from pinn.fields.field import Field, coordinate_field, data_field
from pinn.fields.normals import at_normals
from pinn.geometry import Geometry, Points
from pinn.physics.declaration import check_class
from pinn.physics.domain_check import check_domain
from pinn.physics.explanation import calling
from pinn.physics.quantities import Quantity, collect_quantities
from pinn.physics.ranges import Ranged, Ranges, check_ranges
from pinn.physics.references import PER_AXIS, Reference, comparison_points, inside_of
from pinn.physics.residuals import Residual, collect
from pinn.physics.return_values import Fields, kind, known_values, residual_values, unknown_fields

Gauge = Literal["zero_mean", "pin", "free"]
TOGETHER = 1024  # points in many coordinates that an exact solution is evaluated at together


class Problem(Ranged):
    """A system of equations  r_k(x) = 0 on regions of a domain.

    A subclass names its `coordinates` and `unknowns`, has a `geometry`, and defines residuals:
    methods decorated with `@on(region)`. Names are checked when the class is defined.

    A problem is a `torch.nn.Module`. Parameters and modules that it holds, such as a coefficient
    k(x) = `self.k(at)`, are trained, saved and kept in the precision of a phase like the networks
    of the unknowns, in `train: output` phases too, unless they are frozen. A `pinn.Network` that
    it holds takes all coordinates and gives one value, unless the problem calls its `build`. A
    tensor set as an attribute, such as a table, becomes a buffer, whose own digits are kept
    through phases of lower precision.

    Attributes:
        coordinates: names of the columns of a point, time `t` last; parameters are put before it.
        unknowns: name → names of its components, or how many: 1 makes a scalar (N,), a tuple or a
            larger number a vector (N, C).
        outputs: what the networks give, declared like `unknowns`; by default these themselves. An
            `ansatz` makes the unknowns of it, as the velocity of a stream function.
        columns: names of measured data columns that residuals may ask for.
        ranges: parameters that are coordinates too, as `{"reynolds": (20, 80)}`; a residual asks
            for them by name or as `self.reynolds`, spatial operators skip them.
        divergence_free: vectors that have no divergence by construction, as the velocity of a
            stream function. Their mass is balanced over boxes like that of the velocities whose
            divergence is a residual.
        gauges: unknowns, or components, that the equations fix only up to a constant, and how it is
            chosen when they are evaluated: `zero_mean` over the domain, `pin` (zero at the lower
            corner), or `free`. The equations must read only their derivatives, so training is
            unaffected; where they read none in time or a parameter, the constant is chosen at every
            value of it. What the equations leave open and nobody names here has `zero_mean`.
        stages: coefficients by name, of each stage of a run in turn; one stage that changes
            nothing by default.

    Args:
        geometry: the domain, without the parameters; may also be a class attribute.
        ranges: instead of those of the class.

    Raises:
        TypeError: at class definition, a residual asks for a name that does not exist; a range is
            none, or its name has another meaning.
        ValueError: the geometry lacks a coordinate or a region.
    """

    gauges: dict[str, Gauge] = {}
    quantities: tuple[Quantity, ...] = ()
    stages: Sequence[Mapping[str, float]] = ({},)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls)
        cls.ranges = check_ranges(cls, cls.ranges)
        names = (*cls.unknowns, *cls.coordinates, *cls.ranges, "at", "normal", *cls.columns)
        cls.residuals = collect(cls, Problem, names)
        cls.quantities = collect_quantities(cls, Problem, names)

    def __init__(self, geometry: Geometry | None = None, ranges: Ranges | None = None) -> None:
        super().__init__()
        if geometry is not None:
            self.geometry = geometry
        if not isinstance(getattr(self, "geometry", None), Geometry):
            raise ValueError(f"{type(self).__name__} has no geometry: pass or define one")
        self._extend(type(self).ranges if ranges is None else check_ranges(type(self), ranges))
        self.gauges = dict(type(self).gauges)
        check_domain(self)

    def enter(self, stage: int) -> None:
        """Take the coefficients of a stage; what follows from one of them is to be a property."""
        for name, value in self.stages[stage].items():
            setattr(self, name, value)

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The unknowns from the network's raw outputs; override to build conditions in.

        Args:
            raw: the outputs, named and shaped as declared.
            at: the coordinates (N, D).
        """
        return raw

    def represent(self, raw: Fields, at: Field) -> Fields:
        """The unknowns, by the ansatz.

        Raises:
            ValueError: the ansatz left one out, or raised.
        """
        with self.at_work(f"{type(self).__name__}.ansatz", at), remembered(self, "ansatz"):
            unknowns = self.ansatz(raw, at)
        return unknown_fields(self, unknowns)

    def exact(self, at: Field) -> Fields | None:
        """The exact solution at `at`, where one is known. By itself never read in training."""
        return None

    def reference(self) -> Reference | None:
        """What the solution is judged against: by default the exact one on a regular grid."""
        return self.exact_reference(*comparison_points(self.geometry))

    @torch.no_grad()
    def exact_reference(self, at: Tensor, shape: tuple[int, ...]) -> Reference | None:
        """The exact solution in float64 at points (N, D), judged inside the domain; else None.

        Raises:
            ValueError: `exact` gives a name that is no unknown, or values of the wrong shape.
        """
        parts: list[dict[str, Tensor]] = []
        size = len(at) if len(self.coordinates) in PER_AXIS else TOGETHER
        inside = None if self.geometry.is_box else inside_of(self.geometry, at)
        for some in (at if inside is None else at[inside]).split(size):
            try:  # derivatives of the coordinates, D of each product, are carried only if read
                fields = self._exact_fields(some, 0)
            except MissingDerivativeError:
                fields = self._exact_fields(some, 2)
            if fields is None:
                return None
            parts.append(self.by_component(known_values(self, fields, len(some))))
        values = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        source = f"exact solution of {type(self).__name__}"
        return Reference.known_at(at, values, shape, source, inside)

    def _exact_fields(self, at: Tensor, highest: int) -> Any:
        """What `exact` returns, in float64, of coordinates with derivatives up to an order."""
        position = coordinate_field(at, self.geometry.coordinates, highest)
        with self.at_work(f"{type(self).__name__}.exact", position):
            return self.in_double(lambda: self.exact(position))

    def judged_by(self) -> Reference | None:
        """The reference, checked.

        Raises:
            ValueError: it is something else, or names a component that does not exist.
        """
        where = f"{type(self).__name__}.reference"
        with calling(where):
            reference = self.reference()
        if not isinstance(reference, Reference | None):
            raise ValueError(f"{where} returned {kind(reference)}: return a Reference, or None")
        for name in () if reference is None else reference.values:
            check_name(name, self.component_places, f"{where} has values of {name!r}")
        return None if reference is None else reference.within(self.geometry)

    def importance(self, region: str, at: Tensor) -> Tensor | None:
        """Per-point weights (N,) of the residuals of a region; None counts all points alike.

        Override where the exact residual is singular or a layer deserves more attention.
        """
        return None

    @property
    def vectors(self) -> list[str]:
        """The unknowns with one component per coordinate of space, in two dimensions or more."""
        space = len(self.geometry.coordinates.space)
        return [name for name in self.unknowns if len(self.components(name)) == space > 1]

    def coefficients(self) -> dict[str, float]:
        """The values of the learnable coefficients that are one number."""
        return {n: float(p.detach()) for n, p in self.named_parameters() if p.ndim == 0}

    def regions(self) -> tuple[str, ...]:
        """The regions that residuals live on, each once."""
        return tuple(dict.fromkeys(r for residual in self.residuals for r in residual.regions))

    def evaluate(
        self,
        residual: Residual,
        unknowns: Fields,
        at: Field,
        points: Points,
        partners: Fields | None = None,
    ) -> Tensor:
        """The values (N,) or (N, C) of a residual.

        Args:
            residual: one of `residuals`.
            unknowns: the unknowns at the points.
            at: the coordinates at the points.
            points: normals and data columns there, in the dtype of `at`.
            partners: the unknowns at the points of the face that it compares with.

        Raises:
            ValueError: the residual returned something that is not one value per point.
        """
        given = self._given(residual.arguments, unknowns, at, points)
        with (
            self.at_work(f"residual {residual.name!r}", at),
            remembered(self, residual.name),
            Ported(given.values()),
            at_normals(points.normal),
        ):
            run = getattr(self, residual.name)
            result = run(given, partners) if residual.partner else run(**given)
        return residual_values(residual.name, result, len(at.value))

    def run_quantity(self, quantity: Quantity, unknowns: Fields, at: Field, points: Points) -> Any:
        """What the method of a quantity returns, run at some points; see `fields.elsewhere`.

        Args:
            quantity: one of `quantities`.
            unknowns: the unknowns at the points.
            at: the coordinates at the points.
            points: normals there.

        Raises:
            ValueError: the method raised.
        """
        given = self._given(quantity.arguments, unknowns, at, points)
        with self.at_work(f"quantity {quantity.name!r}", at), at_normals(points.normal):
            return getattr(self, quantity.name)(**given)

    def _given(
        self, arguments: Sequence[str], unknowns: Fields, at: Field, points: Points
    ) -> dict[str, Any]:
        """What a method asks for by parameter name, at some points."""
        given: dict[str, Any] = {**unknowns, "at": at}
        data = {"normal": points.normal, **points.columns}
        for name in arguments:
            if name in self.coordinates:
                given[name] = at[:, self.coordinates.index(name)].named(name)
            elif (values := data.get(name)) is not None:
                given[name] = data_field(values, at.coordinates, name)
        return {name: given[name] for name in arguments}


def positive(name: str, value: float) -> float:
    """A physical coefficient that must be positive and finite.

    Raises:
        ValueError: it is not.
    """
    if not (isinstance(value, Real) and 0 < value < torch.inf):
        raise ValueError(f"{name} is {value}: it must be a positive, finite number")
    return float(value)


def in_turn(name: str, values: float | list[float] | None) -> list[dict[str, float]]:
    """The stages of a coefficient that must be positive and finite: of one value, one stage.

    Raises:
        ValueError: a value is not, or there is none.
    """
    if values is None:
        raise ValueError(
            f"{name} is missing: give a number, or a range, ranges={{{name!r}: (1, 2)}}"
        )
    several = values if isinstance(values, list | tuple) else [values]
    if not several:
        raise ValueError(f"{name} is an empty list: give at least one value")
    return [{name: positive(name, value)} for value in several]
