"""What operators, torch's and NumPy's functions mean on a field: the same at every point."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import torch

from pinn.algebra.channels import HIGHEST
from pinn.algebra.indexing import keeps_points
from pinn.algebra.jet import Jet, NoRuleError
from pinn.algebra.no_rule import PointsError
from pinn.algebra.rules import RULES
from pinn.algebra.rules.matrices import MATRICES, transposed
from pinn.algebra.rules.per_point import PER_POINT, matmul, summand
from pinn.algebra.rules.piecewise import PIECEWISE, compared, floor_divide, remainder
from pinn.fields.constants import REMEMBERED
from pinn.fields.numpy_functions import of_numpy

UNKNOWN = 99  # as many orders taken as leave none, of values whose derivative is not known


CUT: list[bool] = []


@contextmanager
def cut() -> Iterator[None]:
    """Within it, `.detach()` leaves no trace of what it was called for, derivatives included."""
    CUT.append(True)
    try:
        yield
    finally:
        CUT.pop()


def frozen(f: Any) -> Any:
    """f as it is, with its derivatives; training does not see through it."""
    if CUT:
        return f.map(torch.Tensor.detach)
    return f.map(lambda s: s.detach() + 0.0 * s)  # the dry run sees that it is read


FIELD_RULES: dict[Callable, Callable] = {
    **PIECEWISE, **PER_POINT, **MATRICES, torch.detach: frozen, torch.Tensor.detach: frozen,
}  # fmt: skip


class Notation(Jet):
    """A jet that is written as in physics; `Field` says what its operands are."""

    __slots__ = ()

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        rule = FIELD_RULES.get(func) or RULES.get(func)
        if rule is None:
            raise NoRuleError(no_meaning(torch.overrides.resolve_name(func) or func.__name__))
        return at_points(rule)(*args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        """Methods at each point: `u.norm()`, `A.trace()`, `A.T`."""
        if name in ("T", "mT"):
            return transposed(self)
        if name.startswith("__"):  # Python's own, such as __dict__
            raise AttributeError(f"a field has no attribute {name!r}")
        for home in (torch.Tensor, torch):
            rule = FIELD_RULES.get(getattr(home, name, None))  # type: ignore[arg-type]
            if rule is not None:
                return partial(at_points(rule), self)
        try:
            found = super().__getattr__(name)
            return at_points(found) if callable(found) else found
        except AttributeError:
            if callable(getattr(torch.Tensor, name, None)):
                raise AttributeError(no_meaning(f"Tensor.{name}")) from None
            raise AttributeError(
                f"a field has no attribute {name!r}: its derivatives are partial(u, 'x'), grad(u), "
                "dt(u) and laplacian(u), its values the tensor u.value"
            ) from None

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

    def __add__(self, other: Any) -> Any:
        return super().__add__(summand(self, other))

    def __radd__(self, other: Any) -> Any:
        return super().__radd__(summand(self, other))

    def __sub__(self, other: Any) -> Any:
        return super().__sub__(summand(self, other))

    def __rsub__(self, other: Any) -> Any:
        return super().__rsub__(summand(self, other))

    def __mod__(self, other: Any) -> Any:
        return remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return remainder(self.operand(other), self)

    def __floordiv__(self, other: Any) -> Any:
        return floor_divide(self, other)

    # `u += 1` is `u = u + 1`: another field under the same name.
    def __iadd__(self, other: Any) -> Any:
        return self + other

    def __isub__(self, other: Any) -> Any:
        return self - other

    def __imul__(self, other: Any) -> Any:
        return self * other

    def __itruediv__(self, other: Any) -> Any:
        return self / other

    def __ipow__(self, other: Any) -> Any:
        return self**other

    def __imatmul__(self, other: Any) -> Any:
        return self @ other

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
                f"has {shape[0]} components, the first is u[:, 0]"
                if len(shape) == 1
                else (
                    f"is a matrix {shape} at a point, its first entry u[:, 0, 0]"
                    if shape
                    else "is a scalar, one value at a point: write u"
                )
            )
            raise IndexError(f"no such component: the field {held}") from None

    def __call__(self, *_: Any) -> Any:
        """Refused: a field is not evaluated elsewhere."""
        raise TypeError(
            "a field is no function of other points: it is known at the points of its region"
        )

    def __matmul__(self, other: Any) -> Any:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(other, self)

    def __bool__(self) -> bool:
        raise TypeError(
            "a condition on a field holds at some points and not at others: use "
            "torch.where(condition, a, b) for `if`, and (0.2 < x) & (x < 0.5) for 0.2 < x < 0.5"
        )

    def __lt__(self, other: Any) -> Any:
        return compared(torch.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return compared(torch.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return compared(torch.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return compared(torch.ge, self, other)

    def __eq__(self, other: object) -> Any:
        return compared(torch.eq, self, other)

    def __ne__(self, other: object) -> Any:
        return compared(torch.ne, self, other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Any:
        raise TypeError("&, | and ~ join conditions: write (x < 0.5) & (y < 0.5), with parentheses")

    __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __and__

    def __invert__(self) -> Any:
        raise TypeError("~ negates a condition: write ~(x < 0.5), with parentheses")


def at_points(rule: Callable) -> Callable:
    """A function of fields, which says what to do where it would take in their points."""

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


def no_meaning(name: str) -> str:
    """What is said of a function that fields do not take."""
    short = name.rpartition(".")[2].rstrip("_")
    if short in ("grad", "backward", "diff", "requires_grad", "jacobian", "gradient"):
        return f"{name} takes no field: write partial(u, 'x'), grad(u), dt(u) or laplacian(u)"
    if short in ("numpy", "cpu", "cuda", "item", "tolist", "plot"):
        return f"{name} takes no field: its values are the tensor u.value"
    return (
        f"{name} takes no field: its derivative is not known here. Write it with arithmetic and "
        "the functions of pinn, such as exp, sqrt and where"
    )


def reason(derivative: str, taken: int, orders: int) -> str:
    """Why a derivative is not known, and what to do.

    Args:
        derivative: the derivative, written for people.
        taken: the orders of differentiation taken before it.
        orders: those of its own.
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
            "w - laplacian(u), and write laplacian(w) for laplacian(laplacian(u))"
        )
    if REMEMBERED:
        return (
            f"{derivative} was not evaluated: the residual does not read it where it is tried "
            "before the first step, or under torch.no_grad(); read it in any case, and for a value "
            "that is not trained write laplacian(u).detach()"
        )
    return f"{derivative} was not evaluated: differentiate(f, x, order={needed}) would give it"
