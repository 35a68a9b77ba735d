"""The jet: f at points with its derivatives, flowing through ordinary torch code.

    f(x + δ) = f + Σᵢ fᵢ δᵢ + ½ Σᵢⱼ fᵢⱼ δᵢ δⱼ + o(|δ|²)

A jet is a plain object with `__torch_function__`: `nn.Linear` calls `F.linear(jet, W, b)`, and the
rule of that torch function acts on the series. A function without a rule raises `NoRuleError`,
which names it; whoever evaluates then falls back to a slower exact strategy.
"""

from collections.abc import Callable
from functools import partial, partialmethod
from typing import Any, Self

import torch

from pinn.algebra.indexing import keeps_points
from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rules import RULES
from pinn.algebra.rules.arithmetic import add, divide, multiply, raise_to, reflected, subtract
from pinn.algebra.rules.kinks import absolute
from pinn.algebra.rules.matrix_products import matmul
from pinn.algebra.rules.shape import matrix_transpose
from pinn.algebra.series import MissingDerivativeError, Series

__all__ = ["Jet", "MissingDerivativeError", "NoRuleError"]

# What is read off the value.
LOOKS = (
    "shape", "ndim", "dtype", "device", "layout", "dim", "size", "numel", "nelement",
    "requires_grad", "is_nested", "is_cuda", "is_sparse", "is_floating_point", "is_complex",
    "is_contiguous", "element_size", "get_device",
)  # fmt: skip


class Jet(Series):
    """A series that looks like a tensor where modules look; see `Series` for its parts."""

    __slots__ = ()

    @property
    def rank(self) -> int:
        """No mere constant."""
        return 0

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule = cls.rule_of(func)
        if rule is None:
            name = torch.overrides.resolve_name(func) or getattr(func, "__name__", str(func))
            raise NoRuleError(cls.refusal(name))
        return rule(*args, **(kwargs or {}))

    # A field overrides these two.
    @staticmethod
    def rule_of(function: Any) -> Callable | None:
        """The derivative rule of a torch function; None if there is none."""
        return RULES.get(function)

    @staticmethod
    def refusal(name: str) -> str:
        """What is said of a function without a rule."""
        return f"{name} has no derivative rule"

    def __getitem__(self, index: Any) -> Self:
        if not keeps_points(index, self.ndim, self.lead):
            raise NoRuleError(f"indexing the points with {index!r} has no derivative rule")
        return self.map(lambda s: s[(slice(None),) * (s.ndim - self.ndim) + as_tuple(index)])

    def __getattr__(self, name: str) -> Any:
        """What modules look at before they compute, and methods: `x.sin()` is `torch.sin(x)`."""
        if name in LOOKS:
            return getattr(self.value, name)
        if name == "mT":
            return matrix_transpose(self)
        for home in (torch.Tensor, torch):
            function = getattr(home, name, None)
            if callable(function) and (rule := self.rule_of(function)) is not None:
                return partial(rule, self)
        raise AttributeError(self.refusal(f"Tensor.{name}"))

    def __len__(self) -> int:
        return len(self.value)

    def __neg__(self) -> Self:
        return self.map(torch.neg)

    def __pos__(self) -> Self:
        return self

    def _refuse(self, *_: Any) -> Any:
        raise NoRuleError("comparison, truth and in-place arithmetic have no derivative rule")

    def _compared(self, name: str, other: Any) -> Any:
        """A plain condition of constants, as `x.detach() > 0` is."""
        sides = [side for side in (self, other) if isinstance(side, Series)]
        if any(s is not None for side in sides for s in side.streams.values()):
            raise NoRuleError(
                "a comparison has no derivative rule: compare constants, as in x.detach() > 0"
            )
        return getattr(self.value, name)(other.value if isinstance(other, Series) else other)

    __add__ = __radd__ = add
    __sub__, __rsub__ = subtract, reflected(subtract)
    __mul__ = __rmul__ = multiply
    __truediv__, __rtruediv__ = divide, reflected(divide)
    __pow__, __rpow__ = raise_to, reflected(raise_to)
    __matmul__, __rmatmul__ = matmul, reflected(matmul)
    __abs__ = absolute
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = __imatmul__ = _refuse
    __setitem__ = _refuse
    # Python's own answers would be wrong numbers: False for `x == 0`, True for `bool(x)`.
    __eq__ = __ne__ = __bool__ = _refuse
    __lt__, __le__ = partialmethod(_compared, "__lt__"), partialmethod(_compared, "__le__")
    __gt__, __ge__ = partialmethod(_compared, "__gt__"), partialmethod(_compared, "__ge__")
    __hash__ = object.__hash__
    __array_ufunc__: Any = None  # `array * jet` is left to the jet


def as_tuple(index: Any) -> tuple:
    """What stands between the brackets, as a tuple."""
    return index if isinstance(index, tuple) else (index,)
