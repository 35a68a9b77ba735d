"""`torch.autograd.grad` in a residual, for scripts that were written for plain torch."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pinn.fields.field import Field, partial, vector


class Ported(TorchFunctionMode):
    """`torch.autograd.grad(u, x, g)` is Σ_c g_c ∂u_c/∂x at each point, from the fields.

    Autograd itself does not see the coordinates: the derivatives are part of the field.

    Args:
        fields: what the residual is given. Their `value` stands for them; then the result is a
            tensor too, and its own derivatives are not known.
    """

    def __init__(self, fields: Iterable[Field]) -> None:
        super().__init__()
        self.fields = tuple(fields)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.autograd.grad:
            return self.gradient(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def gradient(self, outputs: Any, inputs: Any, grad_outputs: Any = None, **rest: Any) -> Any:
        """What `torch.autograd.grad` returns: one gradient per input, in a tuple."""
        of, to = (self.named(listed(given)) for given in (outputs, inputs))
        if not all(isinstance(f, Field) for f in (*of, *to)):
            return torch.autograd.grad(outputs, inputs, grad_outputs, **rest)
        factors = listed(grad_outputs) if grad_outputs is not None else [None] * len(of)
        gradients = [sum(slope(f, x, g) for f, g in zip(of, factors, strict=True)) for x in to]
        raw = any(isinstance(given, Tensor) for given in (*listed(outputs), *listed(inputs)))
        return tuple(f.value if raw else f for f in gradients)

    def named(self, given: list) -> list:
        """The same with the fields of this residual in place of their values."""
        return [next((f for f in self.fields if f.value is each), each) for each in given]


def listed(given: Any) -> list:
    """One or several, as a list."""
    return list(given) if isinstance(given, list | tuple) else [given]


def slope(f: Field, x: Field, factor: Any) -> Any:
    """Σ_c g_c ∂f_c/∂x of one field, shaped like x.

    Raises:
        TypeError: x is neither a coordinate nor `at`.
    """
    names = f.coordinates.names
    if x.name != "at" and x.name not in names:
        raise TypeError(
            f"torch.autograd.grad of a field by {x.name!r}: give it a coordinate as the residual "
            f"gets it, {', '.join(names)} or at"
        )
    axes = (x.name,) if x.name in names else range(len(names))
    slopes = [partial(f, axis) for axis in axes]
    weighted = slopes if factor is None else [g * factor for g in slopes]
    totals = [g if g.ndim == 1 else g.flatten(1).sum(-1) for g in weighted]
    return totals[0] if x.name in names else vector(*totals)
