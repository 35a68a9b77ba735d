"""Measured points as they are given: a table, and what its columns mean.

    wᵢ = σᵢ⁻² / mean σ⁻²

A file is read when its points are needed, so that a class that names one can be imported where the
file is not. A checkpoint holds the points; while it is opened, they take the place of the file.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pinn.base.console import say
from pinn.base.paths import MissingFileError, located
from pinn.geometry.columns import Columns, Names, pick
from pinn.geometry.coordinates import Coordinates
from pinn.geometry.points import Points
from pinn.geometry.tables import Array, table_of


class Domain(Protocol):
    """What measured points are held against."""

    coordinates: Coordinates

    def contains(self, at: Tensor, slack: float = 0.0) -> Tensor:
        """Which of the points (N, D) lie in the domain."""


@dataclass(frozen=True)
class Supply:
    """The data in a checkpoint.

    Args:
        regions: name → what `saved` returned.
        reference: likewise, of values to compare with.
        first: whether they are taken though the file is there.
    """

    regions: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Any] | None = None
    first: bool = True


SUPPLY: ContextVar[Supply | None] = ContextVar("SUPPLY", default=None)


@contextmanager
def supplied(checkpoint: Mapping[str, Any], first: bool) -> Iterator[None]:
    """Take data from a checkpoint in this block: first of all, or where a file is missing.

    Args:
        checkpoint: its `pinn` entry.
        first: whether the files are not needed.
    """
    entries = checkpoint.get("measured", {}), checkpoint.get("reference")
    token = SUPPLY.set(Supply(*entries, first))
    try:
        yield
    finally:
        SUPPLY.reset(token)


@dataclass(frozen=True)
class Measurements:
    """Measured points as they are given, to `Geometry.with_points`.

    Columns named like the coordinates are positions, all others are data. A file is read when its
    points are needed. A relative path is looked for in the working folder, and then beside the
    Python file or the configuration that names it.

    Args:
        name: the region.
        data: a file (CSV or other text with a header, npz, npy), a mapping of columns, a data
            frame, or an array (N, columns).
        columns: our name → that of the table, or its number from 0, as in `{"u": "u_measured"}`;
            or the names of the columns to take. Only these and the coordinates are read.
        weights: a column: what the residuals of each point weigh. It is divided by its mean, so
            that the weight of a residual in the loss stays what it was.
        deviations: a column: the standard deviation σ of each point, which weighs 1/σ², divided by
            the mean. Only the ratios count, so one number for all points changes nothing; how large
            the noise is, the intervals of coefficients estimate. Components of different σ are
            divided by them in the residual.
        missing: whether a row without a value is refused, or dropped (`drop`), which a line says.
        beside: the folder of the Python file that names the table.
        known: the points, once they are read.

    Raises:
        ValueError: both weights and deviations are given.
    """

    name: str
    data: Any
    columns: Names | None = None
    weights: str | float | None = None
    deviations: str | float | None = None
    missing: str = "refuse"
    beside: Path | None = None
    known: Points | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and self.deviations is not None:
            raise ValueError(
                f"points {self.name!r} have weights and deviations: give one of them, since a "
                "deviation σ weighs 1/σ²"
            )

    @property
    def is_file(self) -> bool:
        """Whether the table is a file."""
        return isinstance(self.data, str | Path)

    def call(self, coordinates: Coordinates) -> dict[str, Any]:
        """The arguments of the call that makes this again: with the file, or the columns read."""
        options: dict[str, Any] = {"weights": self.weights, "deviations": self.deviations}
        data = self.data
        if self.known is None:
            dropped = None if self.missing == "refuse" else self.missing
            options |= {"columns": self.columns, "missing": dropped}
        else:
            positions = dict(zip(coordinates.names, self.known.at.T, strict=True))
            data = positions | self.known.columns
        given = {name: value for name, value in options.items() if value is not None}
        return {"name": self.name, "data": data, **given}

    def anew(self, coordinates: Coordinates) -> "Measurements":
        """This for another domain, which has not been held against it."""
        given = self if self.is_file else replace(self, **self.call(coordinates), columns=None)
        return replace(given, known=None)

    def points(self, domain: Domain) -> Points:
        """The points.

        Raises:
            ValueError: the table cannot be read, a column is missing or not numeric, a value is
                missing or infinite, or points lie outside the domain.
        """
        return self.read(domain) if self.known is None else self.known

    def settled(self, domain: Domain) -> "Measurements":
        """This, with the points read."""
        return replace(self, known=self.points(domain))

    def read(self, domain: Domain) -> Points:
        """The points, from the file or from a checkpoint that is being opened."""
        supply = SUPPLY.get() or Supply()
        held = supply.regions.get(self.name) if self.is_file else None
        if held is not None and supply.first:
            return revived(held, domain.coordinates)
        try:
            return self.from_table(domain)
        except MissingFileError as error:
            if held is None:
                raise
            points = revived(held, domain.coordinates)
            say(f"note      {error}: taking the {len(points)} points of the checkpoint")
            return points

    def from_table(self, domain: Domain) -> Points:
        """The points, from what was given."""
        title, file, names = f"points {self.name!r}", None, domain.coordinates.names
        if self.is_file:
            title = str(self.data)
            file = located(self.data, self.beside, title=f"points {self.name!r}")
        extra = [key for key in (self.weights, self.deviations) if isinstance(key, str)]
        columns = pick(table_of(self.data, title, file), names, self.columns, extra, self.missing)
        at = torch.from_numpy(np.stack([columns.values[name] for name in names], axis=-1))
        self.check_inside(columns, at, domain)
        data = {n: torch.from_numpy(v) for n, v in columns.values.items() if n not in names}
        return Points(at, None, data, importance=self.importance(columns))

    def check_inside(self, columns: Columns, at: Tensor, domain: Domain) -> None:
        """Refuse points outside the domain."""
        # Printed or float32 positions may miss a wall by their rounding error.
        outside = (~domain.contains(at, slack=1e-6)).nonzero()[:, 0]
        if len(outside):
            first = int(outside[0])
            where = ", ".join(f"{x:g}" for x in at[first].tolist())
            raise ValueError(
                f"points {self.name!r}: {len(outside)} of {len(at)} lie outside {domain!r}, "
                f"the first one in {columns.place(first)} at ({where}): check their units or "
                "enlarge the domain"
            )

    def importance(self, columns: Columns) -> Tensor | None:
        """What the residuals of each point weigh, mean 1; None where all weigh alike.

        Raises:
            ValueError: a weight or deviation is not positive.
        """
        key = self.deviations if self.weights is None else self.weights
        kind = "deviations" if self.weights is None else "weights"
        if key is None:
            return None
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            raise ValueError(f"points {self.name!r}: {kind} is {key!r}: give a column or a number")
        if not isinstance(key, str):
            if not 0 < key < float("inf"):
                raise ValueError(f"points {self.name!r}: {kind} is {key}: it must be positive")
            return None  # one number for all of them
        values: Array = columns.values[key]
        if not (values > 0).all():
            row = int(np.flatnonzero(~(values > 0))[0])
            what = f"is {values[row]:g}: {kind} must be positive, leave out what is not to count"
            raise ValueError(columns.fault(row, key, what))
        weights = values if self.weights is not None else (values.min() / values) ** 2
        return torch.from_numpy(weights / weights.mean())


def caller() -> Path | None:
    """The folder of the Python file that calls a function of the package; None for the package.

    The caller is two levels above: whoever calls the method that asks.
    """
    file = sys._getframe(2).f_code.co_filename
    own = Path(__file__).parents[1]
    return Path(file).parent if Path(file).is_file() and own not in Path(file).parents else None


def saved(measurements: Mapping[str, Measurements]) -> dict[str, Any]:
    """What a checkpoint holds of the points that were read from files, as plain data."""
    return {
        name: {
            "file": str(each.data),
            "at": each.known.at,
            "columns": dict(each.known.columns),
            "importance": each.known.importance,
        }
        for name, each in measurements.items()
        if each.is_file and each.known is not None
    }


def revived(held: Mapping[str, Any], coordinates: Coordinates) -> Points:
    """The points in a checkpoint.

    Raises:
        ValueError: they have other coordinates.
    """
    if held["at"].shape[-1] != len(coordinates):
        raise ValueError(
            f"the points of {held['file']} in the checkpoint have {held['at'].shape[-1]} "
            f"coordinates, and the problem has {coordinates.names}"
        )
    return Points(held["at"], None, dict(held["columns"]), importance=held["importance"])


def changed(before: Mapping[str, Any], measurements: Mapping[str, Measurements]) -> list[str]:
    """What is said of files that have other points now than in a checkpoint; a line each."""
    lines, now = [], saved(measurements)
    for name in before.keys() & now.keys():
        old, new = before[name], now[name]
        if digest(old) != digest(new):
            lines.append(
                f"resuming with other points {name!r}: {new['file']} has changed since the saved "
                f"run, which had {len(old['at'])} of them; now there are {len(new['at'])}"
            )
    return sorted(lines)


def digest(held: Mapping[str, Any]) -> str:
    """A hash of all numbers of points."""
    found = hashlib.sha256()
    parts = {"at": held["at"], "importance": held["importance"], **held["columns"]}
    for name, values in sorted(parts.items()):
        if values is not None:
            found.update(f"{name} {tuple(values.shape)} ".encode())
            found.update(values.detach().cpu().double().contiguous().numpy().tobytes())
    return found.hexdigest()
