"""What operators, torch's and NumPy's functions mean on a field: the same at every point."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import torch

from pinn.algebra.channels import HIGHEST, MANY
from pinn.algebra.indexing import keeps_points
from pinn.algebra.jet import Jet, NoRuleError
from pinn.algebra.no_rule import PointsError
from pinn.algebra.rules import FIELD_RULES
from pinn.algebra.rules.arithmetic import reflected
from pinn.algebra.rules.linear_algebra import matmul, minus, plus
from pinn.algebra.rules.matrix_functions import transposed
from pinn.algebra.rules.piecewise import compared, floor_divide, remainder, using
from pinn.base.context import setting
from pinn.fields.constants import REMEMBERED
from pinn.fields.numpy_functions import of_numpy

UNKNOWN = 99  # as many orders taken as leave none, of values whose derivative is not known
CUT: ContextVar[bool] = ContextVar("CUT", default=False)


def cut() -> AbstractContextManager[None]:
    """Within it, `.detach()` leaves no trace of what it was called for, derivatives included."""
    return setting(CUT, True)


def frozen(f: Any) -> Any:
    """f as it is, with its derivatives; training does not see through it."""
    if CUT.get():
        return f.map(torch.Tensor.detach)
    return f.map(lambda s: s.detach() + 0.0 * s)  # the dry run sees that it is read


def at_points(rule: Callable) -> Callable:
    """A rule that says what to write instead where it would combine different points."""

    @wraps(rule)
    def run(*arguments: Any, **settings: Any) -> Any:
        try:
            return rule(*arguments, **settings)
        except PointsError as error:
            of = f"numpy.{arguments[0]}" if rule is of_numpy else error.name
            raise NoRuleError(
                f"{of} takes in all points, and a residual is one value per point: write mean(u) "
                "or integral(u) for a mean over the region, u.sum(-1) for a sum over components; "
                "the loss, a mean of squares, is formed later"
            ) from None

    return run


PLAIN_RULES = {**FIELD_RULES, torch.detach: frozen, torch.Tensor.detach: frozen}
OWN_RULES = {function: at_points(rule) for function, rule in PLAIN_RULES.items()}


class Notation(Jet):
    """A jet that is written as in physics; `Field` says what its operands are."""

    __slots__ = ()

    @staticmethod
    def rule_of(function: Any) -> Callable | None:
        """What a torch function means at each point; None if it has no meaning."""
        return OWN_RULES.get(function)

    @staticmethod
    def refusal(name: str) -> str:
        """What is said of a function that fields do not take, or of an attribute `Tensor.name`."""
        home, _, short = name.rpartition(".")
        if home == "Tensor" and not callable(getattr(torch.Tensor, short, None)):
            return (
                f"a field has no attribute {short!r}: its derivatives are partial(u, 'x'), "
                "grad(u), dt(u) and laplacian(u), its values the tensor u.value"
            )
        short = short.rstrip("_")
        if short in ("grad", "backward", "diff", "requires_grad", "jacobian", "gradient"):
            return f"{name} takes no field: write partial(u, 'x'), grad(u), dt(u) or laplacian(u)"
        if short in ("numpy", "cpu", "cuda", "item", "tolist", "plot"):
            return f"{name} takes no field: its values are the tensor u.value"
        return (
            f"{name} takes no field: its derivative is not known here. Write it with arithmetic "
            "and the functions of pinn, such as exp, sqrt and where"
        )

    def __getattr__(self, name: str) -> Any:
        """Methods at each point: `u.norm()`, `A.trace()`, `A.T`."""
        if name in ("T", "mT"):
            return transposed(self)
        if name.startswith("__"):  # Python's own, such as __dict__
            raise AttributeError(f"a field has no attribute {name!r}")
        return super().__getattr__(name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        if method != "__call__" or settings:
            raise TypeError(f"numpy.{ufunc.__name__} of a field takes its arguments alone")
        return of_numpy(ufunc.__name__, inputs, {})

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        return at_points(of_numpy)(function.__name__, args, kwargs)

    def _no_number(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "a field holds values at many points and is no single number or array: use functions "
            "of pinn, such as sin(x) for math.sin(x) and vector(x, y) for np.array([x, y])"
        )

    __float__ = __int__ = __complex__ = __index__ = __round__ = __trunc__ = _no_number
    __floor__ = __ceil__ = __array__ = _no_number

    def __format__(self, spec: str) -> str:
        return self._no_number() if spec else str(self)

    # `u += 1` is `u = u + 1`: another field under the same name.
    __add__ = __radd__ = __iadd__ = plus
    __sub__ = __isub__ = minus
    __rsub__ = reflected(minus)
    __mod__ = remainder
    __rmod__ = reflected(remainder)
    __floordiv__ = floor_divide
    __imul__, __itruediv__, __ipow__ = Jet.__mul__, Jet.__truediv__, Jet.__pow__
    __matmul__ = __imatmul__ = matmul
    __rmatmul__ = reflected(matmul)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("a field is not written to: make a new one, such as vector(u, v)")

    def __getitem__(self, index: Any) -> Any:
        if not keeps_points(index, self.ndim, self.lead):
            raise TypeError(
                "the first axis of a field counts its points, and a residual sees them one by one: "
                "u[:, 0] is a component, where(condition, u, 0.0) keeps some of the points, and "
                "MLP(embedding=Periodic(…)) makes two sides equal"
            )
        try:
            return super().__getitem__(index)
        except IndexError:
            shape = tuple(self.shape[1:])
            held = (
                "is a scalar, one value at a point: write u",
                f"has {self.shape[-1]} components, the first is u[:, 0]",
                f"is a matrix {shape} at a point, its first entry u[:, 0, 0]",
            )
            raise IndexError(f"no such component: the field {held[len(shape)]}") from None

    def __call__(self, *_: Any) -> Any:
        """Refused: a field is not evaluated elsewhere."""
        raise TypeError(
            "a field is no function of other points: it is known at the points of its region"
        )

    def __bool__(self) -> bool:
        raise TypeError(
            "a condition on a field holds at some points and not at others: use "
            "torch.where(condition, a, b) for `if`, and (0.2 < x) & (x < 0.5) for 0.2 < x < 0.5"
        )

    __lt__, __le__ = using(compared, torch.lt), using(compared, torch.le)
    __gt__, __ge__ = using(compared, torch.gt), using(compared, torch.ge)
    __eq__, __ne__ = using(compared, torch.eq), using(compared, torch.ne)
    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Any:
        raise TypeError("&, | and ~ join conditions: write (x < 0.5) & (y < 0.5), with parentheses")

    __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __and__

    def __invert__(self) -> Any:
        raise TypeError("~ negates a condition: write ~(x < 0.5), with parentheses")


def reason(derivative: str, taken: int, orders: int, dimensions: int) -> str:
    """Why a derivative is not known, and what to do.

    Args:
        derivative: the derivative, written for people.
        taken: the orders of differentiation taken before it.
        orders: those of its own.
        dimensions: how many coordinates there are.
    """
    needed = taken + orders
    if taken >= UNKNOWN:
        return (
            f"{derivative} is not known: it is made of measured values or of plain tensors such as "
            "x.value or u.value.detach(); write it with the coordinates and unknowns themselves"
        )
    if needed > HIGHEST:
        return (
            f"{derivative} would be a derivative of order {needed}, and the highest is {HIGHEST}: "
            "make the inner one an unknown of its own, such as w with the residual "
            "w - laplacian(u), and write laplacian(laplacian(w)) for ∇²∇²∇² of u"
        )
    if REMEMBERED.get() and needed > 2 and dimensions > MANY:
        return (
            f"{derivative} was not evaluated: of fourth order laplacian(laplacian(u)) alone is "
            f"offered in {dimensions} dimensions"
        )
    if REMEMBERED.get():
        return (
            f"{derivative} was not evaluated: the residual does not read it where it is tried "
            "before the first step, or under torch.no_grad(); read it in any case, and for a value "
            "that is not trained write laplacian(u).detach()"
        )
    return f"{derivative} was not evaluated: differentiate(f, x, order={needed}) would give it"
