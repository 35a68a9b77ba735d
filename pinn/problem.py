"""Problems: the physics, in the paper's notation."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from pinn.constants import remembered
from pinn.fields import Field, data_field
from pinn.geometry import Geometry, Points
from pinn.geometry.coordinates import near_miss
from pinn.references import Reference, exact_reference
from pinn.residuals import Residual, collect
from pinn.spec import Restorable

Gauge = Literal["zero_mean", "pin", "free"]
Fields = dict[str, Field]


class Problem(Restorable):
    """A system of equations  r_k(x) = 0 on regions of a domain.

    A subclass names its `coordinates` and `unknowns`, has a `geometry`, and defines residuals:
    methods decorated with `@on(region)`. Names are checked when the class is defined. Learnable
    coefficients are parameters of the module.

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
    residuals: tuple[Residual, ...] = ()
    stages: Sequence[Mapping[str, float]] = ({},)
    geometry: Geometry

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = (*cls.unknowns, *cls.coordinates, "at", "normal", *cls.columns)
        parts = [p for given in cls.unknowns.values() if isinstance(given, tuple) for p in given]
        # A vector may share its own name with a component, as u = (u, v) does.
        others = [n for n, g in cls.unknowns.items() if not (isinstance(g, tuple) and n in g)]
        used = [*parts, *others, *cls.coordinates]
        repeated = {name for name in names if names.count(name) > 1}
        repeated |= {name for name in used if used.count(name) > 1}
        if repeated:
            raise TypeError(f"{cls.__name__} uses the name {min(repeated)!r} for two things")
        cls.residuals = collect(cls, names)

    def __init__(self, geometry: Geometry | None = None) -> None:
        super().__init__()
        if geometry is not None:
            self.geometry = geometry
        if not isinstance(getattr(self, "geometry", None), Geometry):
            raise ValueError(f"{type(self).__name__} has no geometry: pass or define one")
        self.gauges: dict[str, Gauge] = {}
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
            ValueError: the ansatz left one out.
        """
        with remembered(self, "ansatz"):
            unknowns = self.ansatz(raw, at)
        missing = [name for name in self.unknowns if name not in unknowns]
        if missing:
            raise ValueError(
                f"{type(self).__name__}.ansatz returns {sorted(unknowns)}: it must return "
                f"{missing[0]!r} as well"
            )
        return {name: unknowns[name].named(name) for name in self.unknowns}

    def exact(self, at: Field) -> Fields | None:
        """The exact solution at `at`, where one is known. By itself never read in training."""
        return None

    def reference(self) -> Reference | None:
        """What the solution is judged against: by default the exact one on a regular grid."""
        return exact_reference(self)

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
        try:
            with remembered(self, residual.name):
                result = getattr(self, residual.name)(**{n: given[n] for n in residual.arguments})
        except Exception as error:
            error.add_note(f"residual {residual.name!r}")
            raise
        value = result.value if isinstance(result, Field) else result
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != len(at.value):
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"residual {residual.name!r} returned {got} for {len(at.value)} points: return "
                "one value, or one vector, per point"
            )
        return value

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
