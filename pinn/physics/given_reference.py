"""A reference that is given to a problem from outside: a table of values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pinn.base.messages import check_name
from pinn.physics.problem import Problem
from pinn.physics.references import SLACK, Reference

KEYS = ("file", "columns", "source", "missing")


def given_reference(problem: Problem, given: Any) -> Reference:
    """What was given as a reference of a problem, as one.

    Args:
        problem: what it is compared with.
        given: a `Reference`; a file, see `Reference.from_file`; or a mapping with `file`, and
            `columns`, `source` or `missing`.

    Raises:
        ValueError: it is something else, names what is no component, or its points are not in
            the domain.
    """
    names = problem.geometry.coordinates.names
    if isinstance(given, Mapping):
        for key in given:
            check_name(key, KEYS, f"reference has the key {key!r}")
        if not isinstance(given.get("file"), str | Path):
            raise ValueError(f"reference.file is {given.get('file')!r}: give the path of a table")
        options = {key: value for key, value in given.items() if key != "file"}
        reference = Reference.from_file(given["file"], names, **options)
    elif isinstance(given, str | Path):
        reference = Reference.from_file(given, names)
    elif isinstance(given, Reference):
        reference = given
    else:
        raise ValueError(
            f"reference is a {type(given).__name__}: give a file, a mapping with file and columns, "
            "or Reference.from_file(…)"
        )
    check_reference(problem, reference, f"the reference {reference.source}")
    return reference.within(problem.geometry)


def check_reference(problem: Problem, reference: Reference, title: str) -> None:
    """Hold a reference against a problem.

    Raises:
        ValueError: it names what is no component, or its points are not in the domain.
    """
    for name in reference.values:
        check_name(name, problem.component_places, f"{title} has values of {name!r}")
    if not reference.values:
        names = ", ".join(problem.component_places)
        raise ValueError(f"{title} has no values: expected a column of {names}")
    size, coordinates = reference.at.shape[-1], problem.geometry.coordinates.names
    if size != len(coordinates):
        raise ValueError(f"{title} has {size} coordinates, and the problem has {coordinates}")
    geometry = problem.geometry
    lower, upper = (reference.at.new_tensor(ends) for ends in (geometry.lower, geometry.upper))
    slack = SLACK * (upper - lower)
    inside = ((reference.at >= lower - slack) & (reference.at <= upper + slack)).all(-1)
    if not reference.is_grid:  # a grid may have points in a solid, which do not count
        inside &= geometry.contains(reference.at, slack=SLACK)
    outside = (~inside).nonzero()[:, 0]
    if len(outside):
        where = ", ".join(f"{x:g}" for x in reference.at[outside[0]].tolist())
        raise ValueError(
            f"{title}: {len(outside)} of {len(reference.at)} points lie outside "
            f"{geometry!r}, as ({where}) does: check their units"
        )
