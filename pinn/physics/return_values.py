"""What the methods of a problem return, brought to one form or refused in one line."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinn.base.messages import check_name
from pinn.fields.field import Field, Mask, vector
from pinn.physics.declaration import Declared
from pinn.physics.explanation import ProblemError

Fields = dict[str, Field]


def kind(value: Any) -> str:
    """What a value is, for people."""
    if isinstance(value, Field | Tensor | np.ndarray):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if value is None:
        return "nothing"
    if isinstance(value, Real):
        return f"the number {value}"
    return f"a {type(value).__name__}"


def plain(value: Any) -> Any:
    """The values of a field; a number or an array as a tensor; anything else as it is."""
    value = value.value if isinstance(value, Field) else value
    return torch.as_tensor(value) if isinstance(value, Real | np.ndarray) else value


def as_vector(value: Any) -> Any:
    """Several scalars as a vector; anything else as it is."""
    several = isinstance(value, tuple | list) and any(isinstance(part, Field) for part in value)
    return vector(*value) if several else value


def residual_values(name: str, result: Any, n: int) -> Tensor:
    """The values (N,) or (N, C) that a residual returned; several scalars make a vector.

    Raises:
        ProblemError: it is not one value per point.
    """
    result = as_vector(result)
    value = result.value if isinstance(result, Field) else result
    if isinstance(result, Mask):
        value = value.bool()
    if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != n:
        got = tuple(value.shape) if isinstance(value, Tensor) else kind(value)
        hint = "; does its last line say return?" if result is None else ""
        if isinstance(value, Tensor) and value.ndim == 0:
            hint = "; the mean of squares is taken later"
        raise ProblemError(
            f"residual {name!r} returned {got} for {n} points: return one value, or one vector, "
            f"per point{hint}"
        )
    if value.dtype == torch.bool or value.is_complex():
        what, cure = "complex numbers", ""
        if value.dtype == torch.bool:
            what, cure = "true or false", "; write u - 1 for u == 1"
        line = f"residual {name!r} returned {what}: return real numbers, one per point{cure}"
        raise ProblemError(line)
    return value


def by_unknown(problem: Declared, returned: Any, where: str) -> Mapping[str, Any]:
    """What was returned by unknown; of a single unknown it may stand alone.

    Raises:
        ProblemError: it is no dictionary.
    """
    if isinstance(returned, Mapping):
        return returned
    if len(problem.unknowns) > 1 or returned is None:
        pattern = ", ".join(f'"{name}": …' for name in problem.unknowns)
        raise ProblemError(f"{where} returned {kind(returned)}: return a dictionary, {{{pattern}}}")
    return {next(iter(problem.unknowns)): returned}


def unknown_fields(problem: Declared, returned: Any) -> Fields:
    """The unknowns that an ansatz returned; of a single unknown it may return the field alone.

    Raises:
        ProblemError: one is missing, no field, or of another shape than declared.
    """
    where = f"{type(problem).__name__}.ansatz"
    given = by_unknown(problem, returned, where)
    missing = [name for name in problem.unknowns if name not in given]
    if missing:
        raise ProblemError(
            f"{where} returns {sorted(given)}: it must return {missing[0]!r} as well"
        )
    fields: Fields = {}
    for name in problem.unknowns:
        field = as_vector(given[name])
        if not isinstance(field, Field):
            raise ProblemError(
                f"{where} returned {name!r} as {kind(field)}, which has no derivatives: compute it "
                "from `raw` and `at` without .value"
            )
        expected = problem.shape_of(name, field.shape[0])
        if tuple(field.shape) != expected:
            raise ProblemError(
                f"{where} returned {name!r} of shape {tuple(field.shape)}: expected {expected}"
                + (f", such as {name}[:, 0]" if len(expected) == 1 else "")
            )
        fields[name] = field.named(name)
    return fields


def known_values(problem: Declared, returned: Any, n: int) -> dict[str, Tensor]:
    """What `exact` returned as unknown → (N,) or (N, C), float64.

    Fields, tensors, arrays, numbers and sequences of components are all values; of a single
    unknown they may stand alone.

    Raises:
        ProblemError: a name is no unknown, or a shape is not the unknown's.
    """
    where = f"{type(problem).__name__}.exact"
    values = {}
    for name, value in by_unknown(problem, returned, where).items():
        line = f"{where} returned {name!r}, which is no unknown"
        check_name(name, problem.unknowns, line, ProblemError)
        expected = problem.shape_of(name, n)
        tensor = as_values(value, f"{where} returned {name!r} as", n)
        if tensor.shape == (n, 1) and len(expected) == 1:
            tensor = tensor[:, 0]
        if tensor.ndim < len(expected) and (tensor.ndim == 0 or tensor.shape == expected[1:]):
            tensor = tensor.expand(expected)
        if tensor.shape != expected:
            raise ProblemError(
                f"{where} returned {name!r} of shape {tuple(tensor.shape)} for {n} points: "
                f"expected {expected}"
            )
        values[name] = tensor
    return values


def as_values(value: Any, where: str, n: int) -> Tensor:
    """A field, tensor, array, number, or sequence of components, as a float64 tensor.

    Raises:
        ProblemError: it is none of these.
    """
    if isinstance(value, tuple | list) and value:
        parts = [as_values(part, where, n) for part in value]
        parts = [part.expand(n) if part.ndim == 0 else part for part in parts]
        if any(part.shape != (n,) for part in parts):
            raise ProblemError(f"{where} a {type(value).__name__}, whose parts are not (N,) each")
        return torch.stack(parts, -1)
    value = plain(value)
    if not isinstance(value, Tensor) or value.is_complex():
        raise ProblemError(f"{where} {kind(value)}: return a field, tensor or number")
    return value.detach().to("cpu", torch.float64)


def point_weights(problem: Declared, region: str, returned: Any, at: Tensor) -> Tensor | None:
    """What `importance` returned as weights (N,), or None.

    Raises:
        ProblemError: it is not one number per point.
    """
    if returned is None:
        return None
    where = f"{type(problem).__name__}.importance"
    value = plain(returned)
    if not isinstance(value, Tensor):
        raise ProblemError(f"{where} returned {kind(returned)} on {region!r}: return weights (N,)")
    value = value.to(at)
    if value.shape == (len(at), 1):
        value = value[:, 0]
    if value.ndim and value.shape != (len(at),):
        raise ProblemError(
            f"{where} returned shape {tuple(value.shape)} for {len(at)} points of {region!r}: "
            "return one weight per point, (N,)"
        )
    return value.expand(len(at))
