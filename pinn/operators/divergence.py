"""The divergence operator:  ∇·f = Σᵢ ∂fᵢ/∂xᵢ.

`grad(f(x), x, ones)` is not the divergence: it is Jᵀ1, which adds the off-diagonal terms.
"""

import weakref
from collections.abc import Hashable, Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from pinn.algebra.channels import Plan, first
from pinn.choice import Choice, choose
from pinn.derivatives import StrategyName, check_points, evaluate
from pinn.independence import check_independence
from pinn.strategies.outputs import Function, split

CHOICES: weakref.WeakKeyDictionary[Any, dict[Hashable, Choice]] = weakref.WeakKeyDictionary()


class Divergence(nn.Module):
    """∇·f = Σᵢ ∂f_components[i] / ∂x_dims[i] at every point.

    Called as `Divergence(...)(f, x)` with x (…, d) of any leading shape, which need not require
    grad and is never modified; the result is (…). `f` may return a tensor (…, C), a tuple or a dict
    of components. Components that do not depend on x contribute zeros. Parameter gradients flow
    wherever grad mode is on.

    Args:
        strategy: `auto`, `taylor` (one fused forward pass), `vmap` (one batched reverse pass) or
            `loop` (one reverse pass per component). They agree to rounding.
        dims: the coordinates to differentiate along; all of them by default. `dims=(0, 1)` leaves
            time out of (x, y, t).
        components: which outputs form the vector; by default all of them, in order.
            `components=(0, 1)` picks the velocity out of (u, v, p).
        chunk: for `vmap`, how many components to differentiate together; bounds memory.

    Raises:
        ValueError: as many components as dims are needed; f couples points; unknown strategy.
        TypeError: x is integer or complex, or its dtype is not that of f's parameters.
    """

    def __init__(
        self,
        strategy: StrategyName = "auto",
        dims: Sequence[int] | None = None,
        components: Sequence[int] | None = None,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk is {chunk}: it must be at least 1, or None for no limit")
        self.strategy = strategy
        self.dims = None if dims is None else tuple(dims)
        self.components = None if components is None else tuple(components)
        self.chunk = chunk

    def forward(self, f: Function, x: Tensor) -> Tensor:
        """The divergence (…) of f at the points x (…, d)."""
        dims = self._dims(x)
        plan = Plan(tuple(first(i) for i in dims))
        jet = evaluate(self._picked(f, len(dims)), x, plan, self.choice(f, x).strategy, self.chunk)
        terms = [jet.stream(first(i))[..., k] for k, i in enumerate(dims)]
        return torch.stack(terms).sum(0)

    def choice(self, f: Function, x: Tensor) -> Choice:
        """The strategy used for f, with the reason; f is probed once and remembered weakly."""
        check_points(f, x)
        settings = (self.strategy, self.dims, self.components)
        known = remembered(f)
        situation = (settings, circumstances(f, x))
        if situation not in known:
            dims = self._dims(x)
            check_independence(f, x)
            plan = Plan(tuple(first(i) for i in dims))
            known[situation] = choose(self._picked(f, len(dims)), x, plan, self.strategy)
        return known[situation]

    def extra_repr(self) -> str:
        """The settings, for printing a module tree."""
        return f"strategy={self.strategy!r}, dims={self.dims}, components={self.components}"

    def _dims(self, x: Tensor) -> tuple[int, ...]:
        if x.ndim == 0:
            raise ValueError("x has no axis of coordinates: expected shape (…, d)")
        dims = tuple(range(x.shape[-1])) if self.dims is None else self.dims
        if not dims or not all(0 <= i < x.shape[-1] for i in dims) or len(set(dims)) < len(dims):
            raise ValueError(f"dims={dims} does not name distinct coordinates of {x.shape[-1]}")
        return dims

    def _picked(self, f: Function, count: int) -> Function:
        """f reduced to the components of the vector, kept separate for the loop's sake."""

        def vector(x: Tensor) -> tuple:
            parts = split(f(x), x.shape[:-1])
            chosen = range(len(parts)) if self.components is None else self.components
            if len(chosen) != count or any(not 0 <= i < len(parts) for i in chosen):
                raise ValueError(
                    f"f has {len(parts)} components and {count} coordinates are differentiated: "
                    f"pick as many with components=, got {self.components}"
                )
            return tuple(parts[i] for i in chosen)

        return vector


def remembered(f: Function) -> dict[Hashable, Choice]:
    """What is known about f for as long as f lives; nothing where Python cannot tell."""
    try:
        return CHOICES.setdefault(owner_of(f), {})
    except TypeError:  # neither hashable nor weakly referenceable
        return {}


def owner_of(f: Function) -> Any:
    """f, or the object whose method it is: a bound method is a new object at every access."""
    return f.__self__ if isinstance(f, MethodType) else f


def circumstances(f: Function, x: Tensor) -> Hashable:
    """What a probe of f at x holds for: it does not depend on how many points there are.

    One point alone does not show whether points interact, so an axis of length 1 differs from
    a longer one.
    """
    owner = owner_of(f)
    modules = owner.modules() if isinstance(owner, nn.Module) else ()
    training = tuple(module.training for module in modules)
    method = f.__func__ if isinstance(f, MethodType) else None
    counts = tuple(min(n, 2) for n in x.shape[:-1])
    return method, training, counts, x.shape[-1], x.dtype, x.device


def divergence(
    f: Function,
    x: Tensor,
    strategy: StrategyName = "auto",
    dims: Sequence[int] | None = None,
    components: Sequence[int] | None = None,
) -> Tensor:
    """∇·f at the points x (…, d), as (…); see `Divergence`.

    f is probed once for as long as it lives: a module costs nothing more from the second call on,
    a lambda made anew for each call is probed each time.
    """
    return Divergence(strategy, dims, components)(f, x)
