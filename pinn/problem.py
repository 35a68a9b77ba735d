"""Problems: the physics, in the paper's notation."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from pinn.constants import remembered
from pinn.declaration import check_class
from pinn.explanation import calling
from pinn.fields import Field, data_field
from pinn.geometry import Geometry, Points
from pinn.held import Holder
from pinn.messages import near_miss
from pinn.operators.ported import Ported
from pinn.references import Reference, exact_reference
from pinn.residuals import Residual, collect
from pinn.returned import Fields, kind, residual_values, unknown_fields

Gauge = Literal["zero_mean", "pin", "free"]


class Problem(Holder):
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
        coordinates: names of the columns of a point, time `t` last.
        unknowns: name → names of its components, or how many: 1 makes a scalar (N,), a tuple or a
            larger number a vector (N, C).
        outputs: what the networks give, declared like `unknowns`; by default these themselves. An
            `ansatz` makes the unknowns of it, as the velocity of a stream function.
        columns: names of measured data columns that residuals may ask for.
        gauges: unknowns, or components, that the equations fix only up to a constant, and how it is
            chosen when they are evaluated: `zero_mean` over the domain, `pin` (zero at the lower
            corner), or `free`. The equations must read only their derivatives, so training is
            unaffected; where they read none in time, the constant is chosen at every instant. What
            the equations leave open and nobody names here has `zero_mean`.
        stages: coefficients by name, of each stage of a run in turn; one stage that changes
            nothing by default.

    Args:
        geometry: the domain; may also be a class attribute.

    Raises:
        TypeError: at class definition, a residual asks for a name that does not exist.
        ValueError: the geometry lacks a coordinate or a region.
    """

    coordinates: ClassVar[tuple[str, ...]] = ()
    unknowns: ClassVar[Mapping[str, int | tuple[str, ...]]] = {}
    outputs: ClassVar[Mapping[str, int | tuple[str, ...]]] = {}
    columns: ClassVar[tuple[str, ...]] = ()
    gauges: dict[str, Gauge] = {}
    residuals: tuple[Residual, ...] = ()
    stages: Sequence[Mapping[str, float]] = ({},)
    geometry: Geometry

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls)
        names = (*cls.unknowns, *cls.coordinates, "at", "normal", *cls.columns)
        cls.residuals = collect(cls, names)

    def __init__(self, geometry: Geometry | None = None) -> None:
        super().__init__()
        if geometry is not None:
            self.geometry = geometry
        if not isinstance(getattr(self, "geometry", None), Geometry):
            raise ValueError(f"{type(self).__name__} has no geometry: pass or define one")
        self.gauges = dict(type(self).gauges)
        self._check()

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
        with calling(f"{type(self).__name__}.ansatz"), remembered(self, "ansatz"):
            found = self.ansatz(raw, at)
        return unknown_fields(self, found)

    def exact(self, at: Field) -> Fields | None:
        """The exact solution at `at`, where one is known. By itself never read in training."""
        return None

    def reference(self) -> Reference | None:
        """What the solution is judged against: by default the exact one on a regular grid."""
        return exact_reference(self)

    def judged_by(self) -> Reference | None:
        """The reference, checked.

        Raises:
            ValueError: it is something else, or names a component that does not exist.
        """
        where = f"{type(self).__name__}.reference"
        with calling(where):
            found = self.reference()
        if not isinstance(found, Reference | None):
            raise ValueError(f"{where} returned {kind(found)}: return a Reference, or None")
        known = [part for name in self.unknowns for part in self.components(name)]
        for name in () if found is None else found.values:
            if name not in known:
                raise ValueError(f"{where} has values of {name!r}: {near_miss(name, known)}")
        return found

    def importance(self, region: str, at: Tensor) -> Tensor | None:
        """Per-point weights (N,) of the residuals of a region; None counts all points alike.

        Override where the exact residual is singular or a layer deserves more attention.
        """
        return None

    @property
    def raw(self) -> tuple[str, ...]:
        """The names of what the networks give, in order."""
        return tuple(self.outputs or self.unknowns)

    def components(self, name: str) -> tuple[str, ...]:
        """The names of the components of an unknown or output; a scalar is its own."""
        given = self.declared(name)
        if isinstance(given, tuple):
            return given
        return (name,) if given == 1 else tuple(f"{name}{i}" for i in range(1, given + 1))

    def is_scalar(self, name: str) -> bool:
        """Whether an unknown or output is (N,) rather than (N, C)."""
        return self.declared(name) == 1

    def declared(self, name: str) -> int | tuple[str, ...]:
        """The components of an unknown or output, or how many."""
        return self.unknowns[name] if name in self.unknowns else self.outputs[name]

    def coefficients(self) -> dict[str, float]:
        """The values of the learnable coefficients that are one number."""
        return {n: float(p.detach()) for n, p in self.named_parameters() if p.ndim == 0}

    def regions(self) -> tuple[str, ...]:
        """The regions that residuals live on, each once."""
        return tuple(dict.fromkeys(r for residual in self.residuals for r in residual.regions))

    def evaluate(self, residual: Residual, unknowns: Fields, at: Field, points: Points) -> Tensor:
        """The values (N,) or (N, C) of a residual.

        Args:
            residual: one of `residuals`.
            unknowns: the unknowns at the points.
            at: the coordinates at the points.
            points: normals and data columns there, in the dtype of `at`.

        Raises:
            ValueError: the residual returned something that is not one value per point.
        """
        given: dict[str, Any] = {**unknowns, "at": at}
        for name in residual.arguments:
            if name in self.coordinates:
                given[name] = at[:, self.coordinates.index(name)].named(name)
            elif name == "normal" and points.normal is not None:
                given[name] = data_field(points.normal, at.coordinates, name)
            elif name in points.columns:
                given[name] = data_field(points.columns[name], at.coordinates, name)
        given = {name: given[name] for name in residual.arguments}
        with (
            calling(f"residual {residual.name!r}"),
            remembered(self, residual.name),
            Ported(given.values()),
        ):
            result = getattr(self, residual.name)(**given)
        return residual_values(residual.name, result, len(at.value))

    def _check(self) -> None:
        """Hold the residuals against the geometry."""
        name, geometry = type(self).__name__, self.geometry
        if geometry.coordinates.names != tuple(self.coordinates):
            raise ValueError(
                f"{name} has coordinates {tuple(self.coordinates)} but its geometry "
                f"{geometry.coordinates.names}"
            )
        if not self.unknowns or not self.residuals:
            raise ValueError(f"{name} needs unknowns and at least one @on(region) residual")
        for residual in self.residuals:
            for region in residual.regions:
                if region not in geometry.regions:
                    hint = near_miss(region, geometry.regions)
                    raise ValueError(f"{name}.{residual.name} is on region {region!r}: {hint}")
                self._check_data(residual, region)

    def _check_data(self, residual: Residual, region: str) -> None:
        """Hold a residual's normal and data columns against its region."""
        sample = self.geometry.sample(region, 1)
        available = ["normal"] if sample.normal is not None else []
        available += list(sample.columns)
        for argument in residual.arguments:
            special = argument == "normal" or argument in self.columns
            if special and argument not in available:
                raise ValueError(
                    f"{type(self).__name__}.{residual.name} asks for {argument!r}, which region "
                    f"{region!r} does not have: {', '.join(available) or 'it has no data'}"
                )


def positive(name: str, value: float) -> float:
    """A physical coefficient that must be positive and finite.

    Raises:
        ValueError: it is not.
    """
    if not (isinstance(value, Real) and 0 < value < torch.inf):
        raise ValueError(f"{name} is {value}: it must be a positive, finite number")
    return float(value)


def in_turn(name: str, values: float | list[float]) -> list[dict[str, float]]:
    """The stages of a coefficient that must be positive and finite: of one value, one stage.

    Raises:
        ValueError: a value is not, or there is none.
    """
    if isinstance(values, list | tuple):
        if not values:
            raise ValueError(f"{name} is an empty list: give at least one value")
        return [{name: positive(name, value)} for value in values]
    return [{name: positive(name, values)}]
