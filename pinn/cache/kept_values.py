"""Values that follow from tensors, such as points, kept for as long as these are the same."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from pinn.base.torch_adapter import version_of
from pinn.cache.contents import contents, is_wrapped
from pinn.cache.key import Unread

Marks = list[tuple[Tensor, int, int, Any]]


class Kept(Unread):
    """The last few values that were computed from tensors, by these and a key.

    A tensor is the same while it is the same object of the same version and address with the same
    numbers; of a large one some of the numbers are compared. It is kept alive, since a freed one's
    address may come back.

    Args:
        most: how many values are kept.
    """

    def __init__(self, most: int = 1) -> None:
        self.entries: deque[tuple[Any, Marks, Any]] = deque(maxlen=most)

    def find(self, key: Any, tensors: Sequence[Tensor]) -> Any:
        """The value kept for a key and tensors; None if there is none."""
        for known, marks, value in self.entries:
            if known == key and len(marks) == len(tensors) and all(map(is_same, marks, tensors)):
                return value
        return None

    def keep(self, key: Any, tensors: Sequence[Tensor], value: Any) -> None:
        """Keep a value, in the place of the oldest; nothing of tensors that stand for others."""
        if not any(t.is_inference() or is_wrapped(t) for t in tensors):
            self.entries.append((key, [mark(t) for t in tensors], value))


def mark(tensor: Tensor) -> tuple[Tensor, int, int, Any]:
    """What tells that a tensor is as it was."""
    return tensor, version_of(tensor), tensor.data_ptr(), contents(tensor)


def is_same(known: tuple[Tensor, int, int, Any], tensor: Tensor) -> bool:
    """Whether a tensor is the one that was marked, as it was."""
    held, version, address, numbers = known
    return (
        held is tensor
        and version_of(tensor) == version
        and tensor.data_ptr() == address
        and contents(tensor) == numbers
    )
