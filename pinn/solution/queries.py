"""Points in any form: tensors, arrays, lists, columns; answers come in the same form."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pinn.base.messages import check_name
from pinn.geometry import Coordinates, Geometry
from pinn.networks.patches import Patches

NONE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Query:
    """Where something is asked for.

    Args:
        at: the points (N, D).
        shape: the leading shape that they came in; () for a single point.
        as_array: whether the answer is a NumPy array; else a tensor.
    """

    at: Tensor
    shape: tuple[int, ...]
    as_array: bool

    def answer(self, values: Tensor) -> Any:
        """(N, …) as (*shape, …), in the form of the points and on their device."""
        shaped = values.reshape(self.shape + values.shape[1:])
        return shaped.numpy(force=True) if self.as_array else shaped


def query(points: Any, coordinates: Coordinates, values: Mapping[str, Any] = NONE) -> Query:
    """Points of any form as (N, D).

    Args:
        points: a tensor, a NumPy array or nested lists of shape (…, D), where a single coordinate
            needs no axis; or one column per coordinate, a dict or a data frame, which broadcast.
        coordinates: their names.
        values: parameters that the points have no column for, each a number or one per point.

    Raises:
        TypeError: they are not real numbers.
        ValueError: the number of coordinates is wrong, a column is missing or unknown, or a
            coordinate is not finite.
    """
    for name in values:
        known = coordinates.parameters or ("none, it has no ranges",)
        check_name(name, known, f"{name!r} is no parameter of the problem")
        if isinstance(points, Mapping) and name in points:
            raise ValueError(f"{name!r} is given twice, as a column and beside the points")
    names = tuple(name for name in coordinates.names if name not in values)
    as_array = not isinstance(points, Tensor)
    if (columns := columns_of(points, names, cure(coordinates, values))) is not None:
        as_array = not any(isinstance(column, Tensor) for column in columns.values())
        given = joined({name: tensor_of(column, names) for name, column in columns.items()})
    else:
        given = tensor_of(points, names)
        # A single coordinate needs no axis of its own: np.linspace(0, 1, 50) are 50 points.
        if len(names) == 1 and (given.ndim == 0 or given.shape[-1] != 1):
            given = given.unsqueeze(-1)
    if given.ndim == 0 or given.shape[-1] != len(names):
        raise ValueError(
            f"points have shape {tuple(given.shape)}: the last axis must have {len(names)}, for "
            f"({', '.join(names)}){cure(coordinates, values)}"
        )
    given = beside(given, coordinates, values)
    at = given.reshape(-1, len(coordinates))
    check_finite(at, coordinates.names)
    return Query(at, tuple(given.shape[:-1]), as_array)


def beside(given: Tensor, coordinates: Coordinates, values: Mapping[str, Any]) -> Tensor:
    """Points (…, D − K) with the columns of K parameters in their places: (…, D).

    Raises:
        TypeError: a value is no real number.
        ValueError: there is neither one value nor one for each point.
    """
    if not values:
        return given
    columns = iter(given.unbind(-1))
    placed = []
    for name in coordinates.names:
        if name not in values:
            placed.append(next(columns))
            continue
        value = tensor_of(values[name], (name,)).to(given)
        try:
            placed.append(value.expand(given.shape[:-1]))
        except RuntimeError:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)} for points {tuple(given.shape[:-1])}: give "
                "one number, or one for each point"
            ) from None
    return torch.stack(placed, dim=-1)


def cure(coordinates: Coordinates, values: Mapping[str, Any]) -> str:
    """How parameters may be given beside the points, where they are missing."""
    left = [f"{name}=…" for name in coordinates.parameters if name not in values]
    return f"; or give {', '.join(left)} beside the points" if left else ""


def columns_of(points: Any, names: Sequence[str], otherwise: str = "") -> dict[str, Any] | None:
    """The columns of a dict, a data frame or a structured array; None for anything else.

    Raises:
        ValueError: a coordinate has no column, or a dict a column that is no coordinate.
    """
    given = getattr(getattr(points, "dtype", None), "names", getattr(points, "columns", None))
    if isinstance(points, Mapping):
        given = points.keys()
    if given is None:
        return None
    known = list(map(str, given))
    for name in names:
        check_name(name, known, f"points have no column {name!r}{otherwise}")
    for name in known if isinstance(points, Mapping) else ():
        check_name(name, names, f"points have a column {name!r}, which is no coordinate")
    return {name: points[name] for name in names}


def joined(columns: Mapping[str, Tensor]) -> Tensor:
    """Columns side by side; numbers and shorter axes are repeated as NumPy does."""
    try:
        return torch.stack(torch.broadcast_tensors(*columns.values()), dim=-1)
    except RuntimeError as error:
        shapes = ", ".join(f"{name} {tuple(column.shape)}" for name, column in columns.items())
        raise ValueError(f"the columns do not fit together: {shapes}") from error


def tensor_of(values: Any, names: Sequence[str]) -> Tensor:
    """Real numbers as a floating-point tensor; integers become float64.

    Raises:
        TypeError: they are no real numbers.
    """
    expected = f"give numbers, one per coordinate ({', '.join(names)})"
    if isinstance(values, Tensor):
        if values.dtype.is_complex or values.dtype == torch.bool:
            raise TypeError(f"points are {str(values.dtype).removeprefix('torch.')}: {expected}")
        tensor = values.detach()
        return tensor if tensor.dtype.is_floating_point else tensor.double()
    try:
        array = np.asarray(np.ma.filled(values, np.nan) if np.ma.isMA(values) else values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"points are not an array of numbers: {expected}") from error
    if array.dtype.kind not in "iuf":
        kind = "text" if array.dtype.kind in "US" else str(array.dtype)
        raise TypeError(f"points are {kind}: {expected}")
    precise = array.dtype.kind == "f" and array.dtype.itemsize in (2, 4, 8)
    dtype = array.dtype.newbyteorder("=") if precise else np.dtype(np.float64)
    plain = np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)
    return torch.from_numpy(plain if plain.flags.writeable else plain.copy())


def check_finite(at: Tensor, names: Sequence[str]) -> None:
    """Refuse a point that is none.

    Raises:
        ValueError: a coordinate is NaN or infinite.
    """
    bad = ~at.isfinite().all(dim=-1)
    if bad.any():
        k = int(bad.nonzero()[0])
        where = ", ".join(f"{n} = {v:g}" for n, v in zip(names, at[k].tolist(), strict=True))
        raise ValueError(f"point {k} has {where}: every coordinate must be a finite number")


def is_traced() -> bool:
    """Whether operations are being recorded in place of being carried out."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


@contextmanager
def evaluating(solution: nn.Module) -> Iterator[None]:
    """As `eval()`, for a while: a solution gives the same values while it is trained."""
    training = [module for module in solution.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def warn_outside(geometry: Geometry, networks: Iterable[nn.Module], at: Tensor) -> None:
    """Say that points (N, D) lie outside the domain, or behind the time that a run has come to."""
    # Printed or single-precision positions may miss a wall by their rounding error.
    outside = int((~geometry.contains(at, slack=1e-6)).sum())
    if outside:
        warnings.warn(
            f"{outside} of {len(at)} points lie outside {geometry!r}, where the solution was not "
            "trained: do not rely on its values there",
            stacklevel=3,
        )
    end = solved_until(networks)
    behind = 0 if end is None else int((at[:, -1] > end + 1e-6 * abs(end)).sum())
    if behind:
        warnings.warn(
            f"{behind} of {len(at)} points lie behind t = {end:.4g}, up to which the run has "
            "solved its problem: continue it, and do not rely on the values there",
            stacklevel=3,
        )


def solved_until(networks: Iterable[nn.Module]) -> float | None:
    """The time up to which a run has solved its problem; None where that is all of it."""
    ends = [net.until for net in networks if isinstance(net, Patches) and net.until is not None]
    return min(ends, default=None)


def spread(per_axis: Any, names: Sequence[str]) -> dict[str, Any]:
    """The same for every axis, or one entry for each."""
    if per_axis is None:
        return {}
    if not isinstance(per_axis, Sequence) or isinstance(per_axis, str):
        return dict.fromkeys(names, per_axis)
    if len(per_axis) != len(names):
        raise ValueError(
            f"the grid is given for {len(per_axis)} axes, the problem has {len(names)}: "
            f"({', '.join(names)})"
        )
    return dict(zip(names, per_axis, strict=True))


def positions(name: str, given: Any, low: float, high: float) -> np.ndarray:
    """The positions along an axis: so many, evenly spaced, ends included; one; or those given.

    Raises:
        ValueError: the number is less than 2, or the positions do not increase.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 2:
            raise ValueError(
                f"{name}={given} asks for {given} points, but a grid needs at least 2: for a "
                f"position, write {name}={float(given)}"
            )
        return np.linspace(low, high, int(given))
    try:
        axis = np.atleast_1d(np.asarray(given, dtype=np.float64))
    except (TypeError, ValueError):
        axis = np.empty(0)
    if axis.ndim != 1 or not len(axis) or isinstance(given, bool) or not np.isfinite(axis).all():
        raise ValueError(f"{name}={given!r}: give a number of points, a position, or positions")
    if (np.diff(axis) <= 0).any():
        raise ValueError(f"the positions along {name!r} must increase")
    return axis
