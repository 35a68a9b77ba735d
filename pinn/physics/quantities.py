"""Quantities: numbers made of integrals of the unknowns, such as a drag or a Nusselt number."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from pinn.base.messages import check_name, echo

Reference = float | Callable[[Any], float | None] | property | None


@dataclass(frozen=True)
class Quantity:
    """One number of a problem.

    Args:
        name: the method's name; its tag in TensorBoard is `quantity/<name>`.
        arguments: what it asks for, by parameter name.
        reference: the value that is known, or a function of the problem that gives it.
        source: where that value comes from, one line for people.
    """

    name: str
    arguments: tuple[str, ...]
    reference: Reference = None
    source: str = ""


def quantity(method: Any = None, *, reference: Reference = None, source: str = "") -> Any:
    """Declare a method as a quantity: one number, made of integrals of the unknowns.

        @quantity(reference=5.5795, source="Schäfer, Turek 1996")
        def drag_coefficient(self, u, p):
            return 500 * integral(-traction(u, p, self.nu)[:, 0], on="cylinder")

        @quantity
        def nusselt(self, T):
            return -integral(dn(T), on="hot")

    The method asks by parameter name for unknowns, coordinates, `at` or `normal`, and returns one
    number made of `integral(f, on=…)`, `mean(f, on=…)` and `value(f, at=…)`. Each f is taken at the
    points of its own region, so it may differ from integral to integral; with time an integral is
    over all of it, or at an instant, `t=…`. The method may run several times.

    Its value is in the table that ends a run, in TensorBoard, and in `solution.quantities()`, with
    the relative error where a reference is known.

    Args:
        method: of a problem.
        reference: the value that is known; or a function of the problem, or a property, that gives
            it for the coefficients of a stage, None where it is not known.
        source: where it comes from.

    Raises:
        TypeError: it is put on something else than a method, or the reference is no number.
    """
    if not (reference is None or callable(reference) or isinstance(reference, Real | property)):
        raise TypeError(
            f"@quantity has the reference {echo(reference)}: give a number, or a function of the "
            "problem"
        )
    if method is not None and not inspect.isfunction(method):
        raise TypeError(
            f"@quantity is put on {echo(method)}: put it on a method, def name(self, …), and write "
            "the value that is known as @quantity(reference=…)"
        )

    def declare(method: Any) -> Any:
        if not inspect.isfunction(method) or hasattr(method, "_regions"):
            raise TypeError(
                "@quantity is put on what is no plain method: write it above def name(self, …), "
                "without @on"
            )
        method._quantity = (reference, source)  # type: ignore[attr-defined]
        return method

    return declare if method is None else declare(method)


def collect_quantities(cls: Any, base: type, known: Iterable[str]) -> tuple[Quantity, ...]:
    """The quantities of a problem class, base classes first, in the order of definition.

    Args:
        cls: the class.
        base: `Problem`, whose methods no quantity may replace.
        known: what a quantity may ask for.

    Raises:
        TypeError: a parameter or the name of a method cannot be.
    """
    names: dict[str, None] = {}
    for each in reversed(cls.__mro__):
        names.update(dict.fromkeys(n for n, m in vars(each).items() if hasattr(m, "_quantity")))
    asked = tuple(known)
    parts = [p for given in cls.unknowns.values() if isinstance(given, tuple) for p in given]
    other = (*asked, *parts)
    methods = {name: getattr(cls, name) for name in names}
    return tuple(
        described(cls, base, name, asked, other) for name, m in methods.items() if m is not None
    )


def described(
    cls: type, base: type, name: str, known: tuple[str, ...], taken: tuple[str, ...]
) -> Quantity:
    """One quantity, its name and parameters checked."""
    method, where = getattr(cls, name), f"quantity {name!r} of {cls.__name__}"
    if not hasattr(method, "_quantity"):
        raise TypeError(
            f"{where} is replaced by something else: decorate it with @quantity, or set it to "
            "None to drop it"
        )
    if hasattr(method, "_regions"):
        raise TypeError(f"{where} is a residual too: write one method with @on, another without")
    if name in taken:
        raise TypeError(f"{where} has the name of an unknown, component or coordinate: rename it")
    if any(callable(vars(each).get(name)) for each in base.__mro__[:-1]):
        raise TypeError(f"{where} has the name of a method that a problem needs: rename it")
    arguments = tuple(inspect.signature(method).parameters)[1:]
    for argument in arguments:
        check_name(argument, known, f"{where} asks for {argument!r}", TypeError)
    return Quantity(name, arguments, *method._quantity)


def reference_of(problem: Any, quantity: Quantity) -> float | None:
    """The value that is known of a quantity, for the coefficients as they are."""
    given: Any = quantity.reference
    if isinstance(given, property):
        given = given.fget
    value = given(problem) if callable(given) else given
    return None if value is None else float(value)
