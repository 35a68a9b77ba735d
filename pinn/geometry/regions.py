"""Names of regions: parts of a boundary, unions of them, and measured points."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from torch import Tensor

from pinn.base.messages import near_miss
from pinn.base.recipe import Recorded
from pinn.geometry.coordinates import Coordinates, bound
from pinn.geometry.measurements import Measurements
from pinn.geometry.shape import Part, Pick, Range, Shape

INSTANTS = ("initial", "final")
DERIVED = "pinn.geometry.derived.Derived"  # makes a geometry again from the calls that made it
NAMELESS = ""  # the part of a boundary that has no name; `boundary` contains it
Picked = tuple[tuple[str, ...], Pick]


class Regions(Recorded):
    """The names that a geometry's points are drawn by.

    Attributes:
        coordinates: the names of the axes.
        shape: in space.
    """

    coordinates: Coordinates
    shape: Shape

    def _start(self) -> None:
        """The names that the shape brings along."""
        self._parts: dict[str, Part] = dict(self.shape.parts)
        self._unions: dict[str, tuple[str, ...]] = {}
        if self._parts:
            self._unions["boundary"] = tuple(self._parts)
        self._steps: tuple[Regions, list[dict[str, Any]]] | None = None
        self._picked: dict[str, Picked] = {}
        self._clouds: dict[str, Measurements] = {}

    @property
    def regions(self) -> tuple[str, ...]:
        """The names `sample` and `measure` know."""
        instants = () if self.coordinates.time is None else INSTANTS
        parts = (name for name in self._parts if name != NAMELESS)
        return ("interior", *parts, *instants, *self._unions, *self._clouds)

    def is_measured(self, region: str) -> bool:
        """Whether a region is a cloud of measured points; a sample of it has all of them."""
        return region in self._clouds

    @property
    def measurements(self) -> Mapping[str, Measurements]:
        """The tables of measured points, by region."""
        return self._clouds

    def named(self, **groups: str | Sequence[str]) -> Self:
        """A copy with more region names, each a union of parts: `named(lid="top")`.

        Raises:
            ValueError: a name is taken, or a member is no part (or union of parts) or comes twice.
        """
        result = self._copy("named", groups)
        for name, given in groups.items():
            result._check_free(name)
            result._unions[name] = result._members(name, given)
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
        result._pick(name, (names, Pick(ranges, segments, where)))
        return result

    def _copy(self, method: str, arguments: Mapping[str, Any]) -> Self:
        """A copy whose regions are its own, and which knows how it was made."""
        result = copy.copy(self)
        result._parts, result._unions = dict(self._parts), dict(self._unions)
        result._picked, result._clouds = dict(self._picked), dict(self._clouds)
        of, steps = (self, []) if self._steps is None else self._steps
        result._steps = (of, [*steps, {method: dict(arguments)}])
        of, steps = result._steps
        result._spec = {"class_path": DERIVED, "init_args": {"of": of, "steps": steps}}
        return result

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
        names, choice = picked
        own = [part for part in names if part in self.shape.parts]
        try:
            self._parts[name] = self.shape.pick(own, choice)
        except ValueError as error:
            raise ValueError(f"region {name!r} of {self!r}: {error}") from None
        self._picked[name] = picked

    def _axis(self, name: str) -> int:
        """The column of a coordinate of space."""
        column = self.coordinates.index(name)
        if column not in self.coordinates.space:
            raise ValueError(f"{name!r} is no coordinate of space: a part lasts all the time")
        return column

    def _check(self, region: str) -> None:
        if region not in self.regions:
            raise ValueError(f"unknown region {region!r}: {near_miss(region, self.regions)}")

    def _check_free(self, name: str) -> None:
        if not name.isidentifier():
            raise ValueError(f"region name {name!r} is not an identifier, such as 'inlet'")
        if name in self.regions:
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
