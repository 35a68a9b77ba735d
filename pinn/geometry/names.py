"""Names that mean the same before and after: what booleans and unions of parts must not change."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from pinn.geometry.block import FACES
from pinn.geometry.shape import Part

FACE_NAMES = {name for pair in FACES.values() for name in pair}
PROBES = 64  # points of a part
APART = 1e-6  # of the size of a shape: nearer points belong to a part


class Named(Protocol):
    """What is asked of a geometry."""

    _parts: dict[str, Part]
    _unions: dict[str, tuple[str, ...]]
    _picked: dict[str, Any]

    @property
    def regions(self) -> tuple[str, ...]:
        """All names."""

    @property
    def _size(self) -> float:
        """The longest side of the bounds."""


def probes(part: Part) -> Tensor:
    """Some points (N, d) of a part of the boundary, none of them at its ends."""
    return part.rule(PROBES).at


def check_apart(name: str, parts: Mapping[str, Part], size: float) -> None:
    """Hold the parts of a union against each other.

    Args:
        name: of the union.
        parts: by name.
        size: of the shape.

    Raises:
        ValueError: two have points in common.
    """
    for one, part in parts.items():
        at = probes(part)
        for other, second in parts.items():
            if other != one and bool((second.distance(at) <= APART * size).any()):
                both = " and ".join(repr(each or "boundary") for each in (one, other))
                raise ValueError(
                    f"region {name!r}: {both} have points in common, which would count twice: "
                    "give parts that have none"
                )


def beyond(parts: Iterable[Part], sources: Sequence[Part], size: float) -> bool:
    """Whether some points of parts lie on none of the parts that their name meant before."""
    at = torch.cat([probes(part) for part in parts])
    apart = torch.stack([source.distance(at) for source in sources]).amin(0)
    return bool((apart > APART * size).any())


def written(spec: Any) -> set[str]:
    """The names of parts that somebody wrote into the recipe of a geometry."""
    if hasattr(spec, "_spec"):
        return written(spec._spec)
    if isinstance(spec, Mapping):
        own = {spec["name"]} if isinstance(spec.get("name"), str) else set()
        return own.union(*map(written, spec.values()))
    if isinstance(spec, list | tuple):
        return set().union(*map(written, spec))
    return set()


def check_kept(result: Named, first: Named, second: Named, hole: bool) -> None:
    """Hold the names of a combination against those of its operands.

    Args:
        result: the combination.
        first: one operand.
        second: the other one.
        hole: whether the second one is taken away.

    Raises:
        ValueError: a name means two things, or a union or a picked part would get points of the
            other operand.
    """
    names = result.regions
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"a part is called {twice!r}, which is another region: rename it")
    lost = written(second) & set(second._parts) & set(first._parts) & FACE_NAMES if hole else ()
    for name in sorted(lost):
        raise ValueError(
            f"the hole is called {name!r}, as a side of the domain is: give it another name"
        )
    for name in (*result._unions, *result._picked):
        sources = [each for each in (first, second) if name in {*each._unions, *each._picked}]
        if name == "boundary" or not sources:
            continue
        before = [each._parts[part] for each in sources for part in each._unions.get(name, (name,))]
        now = [result._parts[part] for part in result._unions.get(name, (name,))]
        if beyond(now, before, result._size):
            raise ValueError(
                f"region {name!r} would get points of both shapes, which have parts of the same "
                "name: combine the shapes first, and name the region after that"
            )
