"""How a function of one variable is written: as the sequence of its derivatives."""

from collections.abc import Callable, Iterator
from itertools import islice

from torch import Tensor

from pinn.algebra.no_rule import NoRuleError

Terms = Iterator[Tensor]
Derivatives = Callable[[Tensor, int], tuple[Tensor, ...]]


def derivatives(terms: Callable[[Tensor], Terms]) -> Derivatives:
    """(x, k) ↦ (σ, σ′, …, σ⁽ᵏ⁾), k ≤ 5, from a generator of them all: no more than asked for.

    Raises:
        NoRuleError: there are fewer.
    """

    def upto(x: Tensor, order: int) -> tuple[Tensor, ...]:
        made = tuple(islice(terms(x), order + 1))
        if len(made) <= order:
            name = getattr(terms, "__name__", "a function")
            raise NoRuleError(
                f"{name} is written up to its derivative of order {len(made) - 1}, and that of "
                f"order {order} has no derivative rule"
            )
        return made

    return upto
