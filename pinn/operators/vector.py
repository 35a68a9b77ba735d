"""The vector field of a function: the components that are differentiated, one per coordinate."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Plan, first
from pinn.algebra.jet import Jet
from pinn.derivatives.outputs import Function, is_matrix, split, width


def vector_of(f: Function, dims: Sequence[int], components: Sequence[int] | None) -> Function:
    """f reduced to the components of the vector, kept separate for the loop's sake.

    Args:
        f: the function.
        dims: the coordinates that are differentiated along.
        components: which outputs form the vector; None for all of them.

    Raises:
        ValueError: within it, f has not as many components as there are coordinates.
    """

    def vector(x: Tensor) -> Any:
        y, shape = f(x), x.shape[:-1]
        whole = isinstance(y, Tensor | Jet)
        parts = [] if whole else split(y, shape)
        count = width(y, shape) if whole else len(parts)
        chosen = range(count) if components is None else components
        if len(chosen) != len(dims) or any(not 0 <= i < count for i in chosen):
            what = "rows of " if is_matrix(y, shape) else ""
            raise ValueError(
                f"f has {what}{count} components and {len(dims)} coordinates are "
                f"differentiated: pick as many with components=, got {components}"
            )
        if whole and list(chosen) == list(range(count)):
            return y
        if is_matrix(y, shape):
            return torch.stack([y[..., i] for i in chosen], -1)
        return tuple(y[..., i] if whole else parts[i] for i in chosen)

    return vector


@lru_cache(256)
def plan_along(dims: tuple[int, ...]) -> Plan:
    """The first derivatives along some coordinates."""
    return Plan(tuple(map(first, dims)))
