"""How a function of one variable is written: as the sequence of its derivatives."""

from collections.abc import Callable, Iterator
from itertools import islice

from torch import Tensor

Terms = Iterator[Tensor]
Derivatives = Callable[[Tensor, int], tuple[Tensor, ...]]


def derivatives(terms: Callable[[Tensor], Terms]) -> Derivatives:
    """(x, k) ↦ (σ, σ′, …, σ⁽ᵏ⁾), k ≤ 3, from a generator of them all: no more than asked for."""

    def upto(x: Tensor, order: int) -> tuple[Tensor, ...]:
        return tuple(islice(terms(x), order + 1))

    return upto
