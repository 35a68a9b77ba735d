"""Names of regions: parts of a boundary, unions of them, and measured points."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from pinn.base.messages import near_miss
from pinn.base.recipe import Spec
from pinn.geometry import combination
from pinn.geometry.clouds import Clouds
from pinn.geometry.coordinates import Coordinates, bound, increasing
from pinn.geometry.names import check_apart
from pinn.geometry.shape import Part, Pick, Range, Shape

INSTANTS = ("initial", "final")
RESERVED = ("interior", "boundary", *INSTANTS)
DERIVED = "pinn.geometry.derived.Derived"  # makes a geometry again from the calls that made it
COMBINED = "pinn.geometry.combined"  # whose classes make a geometry of others
NAMELESS = ""  # the part of a boundary that has no name; `boundary` contains it


class Picked(NamedTuple):
    """How a part was picked, so that it can be picked again.

    Args:
        names: the parts of the shape that it is taken from.
        choice: which points of them.
        without: parts that do not belong to it.
    """

    names: tuple[str, ...]
    choice: Pick
    without: tuple[str, ...]


@dataclass(frozen=True)
class Beyond:
    """Points that satisfy a condition and do not lie on some parts.

    Args:
        where: the condition; None for all points.
        parts: the parts.
        distance: up to which a point counts as one of a part.
    """

    where: Callable[[Tensor], Tensor] | None
    parts: Sequence[Part]
    distance: float

    def __call__(self, at: Tensor) -> Tensor:
        """A mask (N,)."""
        apart = torch.stack([part.distance(at) for part in self.parts]).amin(0) > self.distance
        return apart if self.where is None else apart & self.where(at)


class Regions(Clouds):
    """The names that a geometry's points are drawn by.

    Attributes:
        coordinates: the names of the axes.
        lower: lower bounds, one per coordinate.
        upper: upper bounds.
        shape: in space.
    """

    coordinates: Coordinates
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    shape: Shape

    def _start(self) -> None:
        """The names that the shape brings along."""
        self._parts: dict[str, Part] = dict(self.shape.parts)
        if meant := next((name for name in RESERVED if name in self._parts), None):
            raise ValueError(f"a part is called {meant!r}, which is another region: rename it")
        self._unions: dict[str, tuple[str, ...]] = {}
        if self._parts:
            self._unions["boundary"] = tuple(self._parts)
        self._picked: dict[str, Picked] = {}
        self._clouds = {}

    @property
    def regions(self) -> tuple[str, ...]:
        """The names `sample` and `measure` know."""
        instants = () if self.coordinates.time is None else INSTANTS
        parts = (name for name in self._parts if name != NAMELESS)
        return ("interior", *parts, *instants, *self._unions, *self._clouds)

    def named(self, **groups: str | Sequence[str]) -> Self:
        """A copy with more region names, each a union of parts: `named(lid="top")`.

        Raises:
            ValueError: a name is taken, a member is no part (or union of parts) or comes twice, or
                two of them have points in common.
        """
        result = self._copy("named", groups)
        for name, given in groups.items():
            result._check_free(name)
            members = result._members(name, given)
            if any(part in result._picked for part in members):
                check_apart(name, {part: result._parts[part] for part in members}, result._size)
            result._unions[name] = members
        return result

    def part(
        self,
        name: str,
        of: str | Sequence[str] = "boundary",
        *,
        without: str | Sequence[str] = (),
        segments: int | Sequence[int] | None = None,
        where: Callable[[Tensor], Tensor] | None = None,
        **coordinates: float | Range,
    ) -> Self:
        """A copy with a name for some of the boundary: `part("inlet", x=0, y=(0.5, 1))`.

        Args:
            name: the new region.
            of: the part, or parts, that it is taken from.
            without: parts that do not belong to it, as in `part("walls", without="inlet")`.
            segments: the number of an edge of a polygon, or several; `(3, 4, 5)`.
            where: points (N, d) → a mask (N,); not for a geometry that a checkpoint has to hold.
            **coordinates: the value of a coordinate of space, or its range.

        Raises:
            ValueError: the name is taken, a coordinate is unknown, or nothing is left.
        """
        given = {"name": name, "of": of, "without": without, "segments": segments}
        result = self._copy("part", given | {"where": where} | coordinates)
        result._check_free(name)
        ranges = {self._axis(axis): _range(axis, value) for axis, value in coordinates.items()}
        if segments is not None:
            segments = (segments,) if isinstance(segments, int) else tuple(segments)
        out = self._members(name, without) if without else ()
        names = tuple(n for n in self._members(name, of) if n not in out)
        if taken := [n for n in names if n in self._picked]:
            raise ValueError(
                f"region {name!r}: {taken[0]!r} was picked itself: take it of the shape's parts"
            )
        result._pick(name, Picked(names, Pick(ranges, segments, where), out))
        return result

    def with_ranges(self, ranges: Mapping[str, Sequence[float]]) -> Self:
        """A copy over parameters too: the shape × Π [lowerᵢ, upperᵢ], times the interval of time.

        Args:
            ranges: name → (lower, upper). Measured points must have a column for each of them.

        Raises:
            ValueError: a name is taken, a range is none, or measured points lack it.
        """
        result = self._copy("with_ranges", {"ranges": ranges})
        result.coordinates = self.coordinates.with_parameters(ranges)
        places = [result.coordinates.index(name) for name in self.coordinates.names]
        for side, bounds in enumerate((self.lower, self.upper)):
            known = dict(zip(places, bounds, strict=True))
            given = {result.coordinates.index(n): bound(n, b[side]) for n, b in ranges.items()}
            both = tuple(end for _, end in sorted((known | given).items()))
            setattr(result, ("lower", "upper")[side], both)
        for i in map(result.coordinates.index, ranges):
            increasing(result.coordinates.names[i], result.lower[i], result.upper[i])
        result._clouds = {}
        for name, cloud in self._clouds.items():
            result._add_points(name, cloud.anew(self.coordinates))
        return result

    def _copy(self, method: str, arguments: Mapping[str, Any]) -> Self:
        """A copy whose regions are its own, and which knows how it was made."""
        result = copy.copy(self)
        result._parts, result._unions = dict(self._parts), dict(self._unions)
        result._picked, result._clouds = dict(self._picked), dict(self._clouds)
        result._spec = self._after(method, arguments)
        return result

    def _after(self, method: str, arguments: Mapping[str, Any]) -> Spec:
        """The recipe of what a call of a method gives."""
        of, steps = self, []
        if self._spec["class_path"] == DERIVED:
            of, steps = self._spec["init_args"]["of"], self._spec["init_args"]["steps"]
        given = {"of": of, "steps": [*steps, {method: dict(arguments)}]}
        return {"class_path": DERIVED, "init_args": given}

    def _with(self, kind: str, other: "Regions") -> Spec:
        """The recipe of a boolean with another geometry."""
        path = f"{COMBINED}.{kind.title()}"
        own = self._spec["init_args"] if self._spec["class_path"] == path else None
        if kind == "difference":
            of, holes = (self, []) if own is None else (own["of"], own["holes"])
            return {"class_path": path, "init_args": {"of": of, "holes": [*holes, other]}}
        several = [self] if own is None else own["of"]
        return {"class_path": path, "init_args": {"of": [*several, other]}}

    @property
    def _title(self) -> str:
        """The class that a configuration would name, without the steps that follow."""
        spec = self._spec
        while spec["class_path"] == DERIVED:
            spec = spec["init_args"]["of"]._spec
        return spec["class_path"].rpartition(".")[2]

    def _members(self, name: str, given: str | Sequence[str]) -> tuple[str, ...]:
        """The parts that make up what was given, each once."""
        parts: list[str] = []
        for member in (given,) if isinstance(given, str) else given:
            if member not in self._parts and member not in self._unions:
                known = [n for n in (*self._parts, *self._unions) if n != NAMELESS]
                raise ValueError(
                    f"region {name!r}: {member!r} is not a face, {near_miss(member, known)}"
                )
            parts += self._unions.get(member, (member,))
        if not parts or len(set(parts)) < len(parts):
            raise ValueError(f"region {name!r} must name each of its faces once, got {given!r}")
        return tuple(parts)

    def _pick(self, name: str, picked: Picked) -> None:
        """Add some of the boundary under a name."""
        own = [part for part in picked.names if part in self.shape.parts]
        others = [self._parts[part] for part in picked.without if part in self._picked]
        choice = picked.choice
        if others:
            choice = replace(choice, where=Beyond(choice.where, others, self._rounding))
        try:
            if not own:
                raise ValueError(f"{picked.names} are no parts of the shape itself")
            self._parts[name] = combination.picked(self.shape, own, choice)
        except ValueError as error:
            raise ValueError(f"region {name!r} of {self!r}: {error}") from None
        self._picked[name] = picked

    @property
    def _size(self) -> float:
        """The longest side of the bounds of the shape."""
        sides = zip(self.shape.lower, self.shape.upper, strict=True)
        return max(high - low for low, high in sides)

    @property
    def _rounding(self) -> float:
        """A distance below which points count as one."""
        return 1e-9 * self._size

    def _inherit(self, source: "Regions", domain: "Regions | None" = None) -> None:
        """Take over the names of an operand, as far as anything of them is left.

        Args:
            source: the operand.
            domain: of a hole, what it is taken from: its names are not the hole's.
        """
        for name, picked in source._picked.items():
            if name in self.regions:
                raise ValueError(f"both shapes have a part {name!r}: give one of them another name")
            if any(part in self.shape.parts for part in picked.names):
                with suppress(ValueError):  # nothing of it is left, as of an edge inside the other
                    self._pick(name, picked)
        for name, members in source._unions.items():
            foreign = domain is not None and any(part in domain._parts for part in members)
            left = [part for part in members if part in self._parts]
            if left and not foreign and name != "boundary":
                both = (*self._unions.get(name, ()), *left)
                self._unions[name] = tuple(dict.fromkeys(both))
        for name, cloud in source._clouds.items():
            self._add_points(name, cloud.anew(source.coordinates))

    def _axis(self, name: str) -> int:
        """The column of a coordinate of space."""
        column = self.coordinates.index(name)
        if column not in self.coordinates.space:
            raise ValueError(f"{name!r} is no coordinate of space: a part is there at all times")
        return column

    def _check(self, region: str) -> None:
        if region not in self.regions:
            raise ValueError(f"unknown region {region!r}: {near_miss(region, self.regions)}")

    def _check_free(self, name: str) -> None:
        if not name.isidentifier():
            raise ValueError(f"region name {name!r} is not an identifier, such as 'inlet'")
        if name in self.regions or name in RESERVED:
            raise ValueError(f"region name {name!r} is taken: choose another than {self.regions}")


def _range(name: str, given: Any) -> Range:
    """A value of a coordinate, or its range, as a range."""
    pair = given if isinstance(given, Sequence) and not isinstance(given, str) else (given, given)
    if len(pair) != 2:
        raise ValueError(f"{name} is {given!r}: give one number, or two, (lower, upper)")
    low, high = (bound(name, end) for end in pair)
    if not low <= high:
        raise ValueError(f"{name} is {given!r}: the lower end must come first")
    return low, high
