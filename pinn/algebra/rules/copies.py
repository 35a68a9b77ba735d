"""What becomes of a series as a whole:  copies, constants, another dtype."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.axes import named, refuse
from pinn.algebra.series import Series


def same(x: Series, *_: Any, **__: Any) -> Series:
    """x: nothing is written to a series, so a copy of it is not needed."""
    return x


def detach(x: Series) -> Series:
    """A constant: no derivative and no gradient."""
    return x.like(x.value.detach(), dict.fromkeys(x.streams))


def cast(x: Any, *target: Any, **more: Any) -> Any:
    """Another dtype or device; of a tensor those of a series."""
    like: Any = [t.value if isinstance(t, Series) else t for t in target]
    if not isinstance(x, Series):
        return x.to(*like, **more)
    if not x.value[:0].to(*like, **more).dtype.is_floating_point:
        raise refuse("to", f"of {target}")
    return x.map(lambda s: s.to(*like, **more))


def constant(name: str) -> Callable[..., Tensor]:
    """The rule of `zeros_like`, `full_like`, …: a plain tensor, with no derivative."""
    function = getattr(torch, name, None) or getattr(torch.Tensor, name)

    def rule(x: Series, *arguments: Any, **more: Any) -> Tensor:
        found: Tensor = function(x.value, *arguments, **more)
        return found

    return rule


def interval(name: str) -> Callable[..., Tensor]:
    """The rule of `bucketize` and `searchsorted`: plain whole numbers, an index into a tensor."""

    def rule(*arguments: Any, **more: Any) -> Tensor:
        plain = [a.value.detach().contiguous() if isinstance(a, Series) else a for a in arguments]
        return getattr(torch, name)(*plain, **more)

    return rule


LIKE = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "new_tensor")

WHOLE: dict[Callable, Callable] = named(
    detach,
    contiguous=same,
    clone=same,
    to=cast,
    type_as=cast,
    float=lambda x: cast(x, torch.float32),
    double=lambda x: cast(x, torch.float64),
    **{name: constant(name) for name in LIKE},
    **{name: interval(name) for name in ("bucketize", "searchsorted")},
)
