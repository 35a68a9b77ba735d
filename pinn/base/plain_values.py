"""Arrays, tensors and paths as plain data, and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

KINDS = "biuf"  # of NumPy: truth values, whole numbers, real ones


def plain_value(value: Any) -> dict[str, Any] | None:
    """The arguments of `made` that give a path or an array of numbers; None for anything else."""
    if isinstance(value, Path):
        return {"kind": "path", "data": str(value)}
    kind, array = "array", value
    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:
            return None
        kind, array = "tensor", value.detach().cpu().numpy()
    if not isinstance(array, np.ndarray) or array.dtype.kind not in KINDS:
        return None
    numbers = {"data": array.reshape(-1).tolist(), "shape": list(array.shape)}
    return {"kind": kind, **numbers, "dtype": array.dtype.name}


def made(kind: str, data: Any, shape: Sequence[int], dtype: str) -> Any:
    """The path, array or tensor.

    Raises:
        ValueError: the kind or the type of the numbers is unknown.
    """
    if kind == "path":
        return Path(data)
    if kind not in ("array", "tensor") or np.dtype(dtype).kind not in KINDS:
        raise ValueError(f"a checkpoint holds a {kind!r} of {dtype!r}, which is unknown")
    array = np.array(data, dtype=np.dtype(dtype)).reshape(tuple(shape))
    return torch.from_numpy(array) if kind == "tensor" else array
