"""The measured points of a geometry, by region."""

import copy
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor

from pinn.base.recipe import Recorded
from pinn.geometry.columns import Names
from pinn.geometry.coordinates import Coordinates
from pinn.geometry.measurements import Measurements, caller


class Clouds(Recorded):
    """What a geometry knows of measured points.

    Attributes:
        coordinates: the names of the axes.
    """

    coordinates: Coordinates
    _clouds: dict[str, Measurements]

    @property
    def measurements(self) -> Mapping[str, Measurements]:
        """The tables of measured points, by region."""
        return self._clouds

    def is_measured(self, region: str) -> bool:
        """Whether a region is a cloud of measured points; a sample of it has all of them."""
        return region in self._clouds

    def with_points(
        self,
        name: str,
        data: Any,
        columns: Names | None = None,
        weights: str | float | None = None,
        deviations: str | float | None = None,
        missing: str = "refuse",
    ) -> Self:
        """A copy with measured points as a region.

            Rectangle().with_points("sensors", "sensors.csv", columns={"u": "u_measured"})

        Columns named like the coordinates are positions, all others are data. A file is read when
        its points are needed. A relative path is looked for in the working folder, and then beside
        the Python file or the configuration that names it.

        Args:
            name: the name of the new region.
            data: a file (CSV or other text with a header, npz, npy), a mapping of columns, a data
                frame, or an array (N, columns).
            columns: our name → that of the table, or its number from 0; or the names of the
                columns to take. Only these and the coordinates are read.
            weights: a column: what the residuals of each point weigh, see `Measurements`.
            deviations: a column: the standard deviation σ of each point, which weighs 1/σ².
            missing: whether a row without a value is refused, or dropped (`drop`).

        Raises:
            ValueError: the name is taken, the table cannot be used, or points lie outside.
        """
        table = Measurements(name, data, columns, weights, deviations, missing, beside=caller())
        table = self._checked(name, table)
        result = self._copy("with_points", table.call(self.coordinates))
        result._clouds[name] = table
        return result

    def read(self) -> Self:
        """A copy whose measured points are read, from their files or a checkpoint."""
        if all(table.known is not None for table in self._clouds.values()):
            return self
        result = copy.copy(self)
        result._clouds = {name: table.settled(self) for name, table in self._clouds.items()}
        return result

    def _add_points(self, name: str, table: Measurements) -> None:
        """Add measured points."""
        self._clouds[name] = self._checked(name, table)

    def _checked(self, name: str, table: Measurements) -> Measurements:
        """A table under a name that is free, held against the domain unless it is a file."""
        self._check_free(name)
        return table if table.is_file else table.settled(self)

    def contains(self, at: Tensor, slack: float = 0.0) -> Tensor:
        """Which points lie in the domain."""
        raise NotImplementedError

    def _copy(self, method: str, arguments: Mapping[str, Any]) -> Self:
        """A copy whose regions are its own, and which knows how it was made."""
        raise NotImplementedError

    def _check_free(self, name: str) -> None:
        """Refuse the name of a region that is taken."""
        raise NotImplementedError
