"""Values that follow from tensors, such as points, kept for as long as these are the same."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from pinn.base.torch_adapter import version_of
from pinn.cache.reader import Unread
from pinn.cache.tensor_contents import contents, is_wrapped


class Kept(Unread):
    """The last value that was computed from tensors, by these and a key.

    A tensor is the same while it is the same object of the same version and address with the same
    numbers; of a large one some of the numbers are compared. It is kept alive, since a freed one's
    address may come back.
    """

    def __init__(self) -> None:
        self.key: Any = None
        self.tensors: list[Tensor] = []
        self.marks: list[tuple[int, int, Any]] = []
        self.value: Any = None

    def find(self, key: Any, tensors: Sequence[Tensor]) -> Any:
        """The value kept for a key and tensors; None if there is none."""
        same = self.key == (key, [*map(id, tensors)]) and self.marks == [*map(mark, tensors)]
        return self.value if same else None

    def keep(self, key: Any, tensors: Sequence[Tensor], value: Any) -> None:
        """Keep a value in the place of the last one; nothing of tensors that stand for others."""
        if not any(t.is_inference() or is_wrapped(t) for t in tensors):
            self.key, self.value = (key, [*map(id, tensors)]), value
            self.tensors, self.marks = list(tensors), [*map(mark, tensors)]


def mark(tensor: Tensor) -> tuple[int, int, Any]:
    """What tells that a tensor is as it was."""
    return version_of(tensor), tensor.data_ptr(), contents(tensor)
