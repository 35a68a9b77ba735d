"""The ways in which values leave torch unseen by a tape, each refused while a step is recorded.

A list, an array, a text or a copy made of a tensor is a constant of the recording, though the next
step has other values. What goes through an operation, such as `item`, the tape sees itself.
"""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pinn.recording.tape import Tape

# How a tensor is handed to Python, NumPy, a file or a printer.
NAMES = (
    *("numpy", "tolist", "__array__", "__repr__", "__deepcopy__", "__reduce_ex__", "__dlpack__"),
    *("data_ptr", "untyped_storage", "storage", "apply_", "map_", "map2_"),
)
PROPERTIES = (("data", "__set__"), ("__cuda_array_interface__", "__get__"))
EXITS = {getattr(Tensor, name) for name in NAMES if hasattr(Tensor, name)}
EXITS |= {getattr(getattr(Tensor, n), part) for n, part in PROPERTIES if hasattr(Tensor, n)}
# Those that read the numbers in a list without an operation, and places that are given as a tensor.
LISTS = {torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor}
PLACES = {torch.tensor_split, Tensor.tensor_split}


class Exits(TorchFunctionMode):
    """Within it, a value that changes from call to call does not leave torch.

    Args:
        tape: what is being recorded; it knows which values change.

    Raises:
        RecordingError: within it, one would.
    """

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self.tape.is_running:
            self.tape.refuse_reading(leaving(func, [*args, *kwargs.values()]))
        return func(*args, **kwargs)


def leaving(func: Any, given: list[Any]) -> list[Tensor]:
    """The tensors whose numbers a function of torch hands out or reads by itself."""
    try:
        if func in EXITS:
            return [value for value in given if isinstance(value, Tensor)]
        if func in LISTS:
            return [t for value in given if isinstance(value, list | tuple) for t in inside(value)]
        if func in PLACES:
            return [value for value in given[1:] if isinstance(value, Tensor)]
    except TypeError:  # it has no hash
        pass
    return []


def inside(value: Any) -> list[Tensor]:
    """The tensors in nested lists."""
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in inside(part)]
    return [value] if isinstance(value, Tensor) else []
