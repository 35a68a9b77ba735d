"""What the Python of a problem and its networks may read besides tensors."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from torch import Tensor, nn

from pinn.algebra.series import Series

PLAIN = (bool, int, float, complex, str, bytes, type(None))
OWN = set(vars(nn.Module())) - {"training"}
DEEP = 5


def fingerprint(module: nn.Module) -> Hashable:
    """Changes whenever an attribute of the module or of one inside it does.

    Attributes that begin with an underscore are taken for a module's own memory, and tensors for
    what is looked at elsewhere: parameters, buffers and points.
    """
    return tuple(
        (name, token(value))
        for part in module.modules()
        for name, value in vars(part).items()
        if name not in OWN and name[0] != "_"
    )


def token(value: Any, deep: int = DEEP) -> Hashable:
    """A stand-in for a value that is equal only while the value is."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor | Series):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if deep and isinstance(value, list | tuple | set | frozenset):
        return tuple(token(part, deep - 1) for part in value)
    if deep and isinstance(value, dict):
        return tuple((key, token(part, deep - 1)) for key, part in value.items())
    if deep and not callable(value) and hasattr(value, "__dict__"):
        return type(value), token(vars(value), deep - 1)
    return value if isinstance(value, Hashable) else id(value)
