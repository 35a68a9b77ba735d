"""What a problem's class states, held against what it can mean, before anything runs."""

import inspect
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

# The methods that a problem may override, and how each is called.
METHODS = {
    "exact": "(self, at)",
    "ansatz": "(self, raw, at)",
    "reference": "(self)",
    "importance": "(self, region, at)",
}
Components = Mapping[str, int | tuple[str, ...]]


class Declared:
    """The names that a class of problems declares, and the shapes that follow from them.

    Attributes:
        coordinates: names of the columns of a point, time `t` last.
        unknowns: name → names of its components, or how many.
        outputs: what the networks give, declared like `unknowns`; by default these themselves.
        columns: names of measured data columns that residuals may ask for.
        divergence_free: vector unknowns with ∇·u = 0, whose mass is balanced over boxes.
        ranges: parameters that are coordinates too → their lower and upper bounds.
        continuation: the positive argument of `__init__`, and attribute, from whose easier values
            a solution may be continued, as a Reynolds number; None where there is none.
    """

    coordinates: ClassVar[tuple[str, ...]] = ()
    unknowns: ClassVar[Components] = {}
    outputs: ClassVar[Components] = {}
    columns: ClassVar[tuple[str, ...]] = ()
    divergence_free: ClassVar[tuple[str, ...]] = ()
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    continuation: ClassVar[str | None] = None

    @property
    def raw(self) -> tuple[str, ...]:
        """The names of what the networks give, in order."""
        return tuple(self.outputs or self.unknowns)

    def declared(self, name: str) -> int | tuple[str, ...]:
        """The components of an unknown or output, or how many."""
        return self.unknowns[name] if name in self.unknowns else self.outputs[name]

    def components(self, name: str) -> tuple[str, ...]:
        """The names of the components of an unknown or output; a scalar is its own."""
        given = self.declared(name)
        if isinstance(given, tuple):
            return given
        return (name,) if given == 1 else tuple(f"{name}{i}" for i in range(1, given + 1))

    def is_scalar(self, name: str) -> bool:
        """Whether an unknown or output is (N,) rather than (N, C)."""
        return self.declared(name) == 1

    def shape_of(self, name: str, n: int) -> tuple[int, ...]:
        """The shape of an unknown or output at n points: (N,) or (N, C)."""
        return (n,) if self.is_scalar(name) else (n, len(self.components(name)))

    @property
    def component_places(self) -> dict[str, tuple[str, int]]:
        """Component → the unknown that it belongs to, and its place there."""
        return {part: (n, k) for n in self.unknowns for k, part in enumerate(self.components(n))}

    def by_component(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of unknowns (N,) or (N, C) as components (N,)."""
        parts: dict[str, Tensor] = {}
        for name, value in values.items():
            columns = value.unsqueeze(-1) if value.ndim == 1 else value
            parts |= dict(zip(self.components(name), columns.unbind(-1), strict=True))
        return parts


def check_class(cls: Any) -> None:
    """Hold coordinates, unknowns, columns and the methods of a problem class against their forms.

    A single name stands for a tuple of one, and a list of components for a tuple.

    Raises:
        TypeError: one of them is something else; the line shows how it is written.
    """
    name = cls.__name__
    cls.coordinates = names(cls.coordinates, f"{name}.coordinates", '("x", "y")')
    cls.columns = names(cls.columns, f"{name}.columns", '("speed",)')
    cls.divergence_free = names(cls.divergence_free, f"{name}.divergence_free", '("u",)')
    cls.unknowns = declared(cls.unknowns, f"{name}.unknowns")
    cls.outputs = declared(cls.outputs, f"{name}.outputs")
    given = (*cls.unknowns, *cls.coordinates, "at", "normal", *cls.columns)
    parts = [p for value in cls.unknowns.values() if isinstance(value, tuple) for p in value]
    # A vector may share its own name with a component, as u = (u, v) does.
    others = [n for n, g in cls.unknowns.items() if not (isinstance(g, tuple) and n in g)]
    used = [*parts, *others, *cls.coordinates]
    repeated = {n for n in given if given.count(n) > 1} | {n for n in used if used.count(n) > 1}
    if repeated:
        raise TypeError(f"{name} uses the name {min(repeated)!r} for two things")
    for method, form in METHODS.items():
        check_signature(cls, method, form)
    check_continuation(cls)


def check_continuation(cls: Any) -> None:
    """Hold `continuation` against the arguments of `__init__`.

    A subclass whose `__init__` has no such argument has no continuation.

    Raises:
        TypeError: the class itself names what is no argument.
    """
    given = cls.continuation
    arguments = [p for p in inspect.signature(cls.__init__).parameters.values() if p.name != "self"]
    passed_on = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in arguments)
    if given is None or passed_on or given in [p.name for p in arguments]:
        return
    if "continuation" in vars(cls):
        known = ", ".join(p.name for p in arguments) or "none"
        raise TypeError(
            f"{cls.__name__}.continuation is {given!r}: name an argument of __init__, such as "
            f'"reynolds"; known: {known}'
        )
    cls.continuation = None


def names(value: Any, where: str, example: str) -> tuple[str, ...]:
    """A tuple of names that can be parameters of a method."""
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, tuple | list) or not all(
        isinstance(name, str) and name.isidentifier() for name in given
    ):
        raise TypeError(f"{where} is {value!r}: write a tuple of names, such as {example}")
    return tuple(given)


def declared(value: Any, where: str) -> dict[str, int | tuple[str, ...]]:
    """Names of unknowns with their components, or how many."""
    example = '{"u": ("u", "v"), "p": 1}'
    if not isinstance(value, Mapping):
        given = [value] if isinstance(value, str) else value
        if isinstance(given, tuple | list | set) and all(isinstance(n, str) for n in given):
            example = "{" + ", ".join(f'"{n}": 1' for n in given) + "}"
        raise TypeError(f"{where} is {value!r}: write name and number of components, {example}")
    checked: dict[str, int | tuple[str, ...]] = {}
    for name, given in value.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise TypeError(f"{where} has the name {name!r}, which cannot be a parameter of Python")
        if isinstance(given, tuple | list) and given:
            checked[name] = names(given, f"{where}[{name!r}]", '("u", "v")')
        elif isinstance(given, int) and not isinstance(given, bool) and given > 0:
            checked[name] = given
        else:
            raise TypeError(
                f"{where}[{name!r}] is {given!r}: write how many components it has, 1 for a "
                'scalar, or their names, ("u", "v")'
            )
    return checked


def check_signature(cls: type, method: str, form: str) -> None:
    """Refuse a method that cannot be called as it will be."""
    function = getattr(cls, method)
    if not callable(function):
        raise TypeError(f"{cls.__name__}.{method} is {function!r}: write def {method}{form}")
    try:
        signature = inspect.signature(function)
        if not isinstance(inspect.getattr_static(cls, method), staticmethod | classmethod):
            signature.bind(*form.split(","))
    except TypeError as error:
        raise TypeError(
            f"{cls.__name__}.{method}{signature} has other parameters than it is called with: "
            f"write def {method}{form}"
        ) from error


def check_instance(problem: Any, kind: type) -> None:
    """Refuse what is no problem that has been made.

    Raises:
        TypeError: a class, something else, or a problem whose `__init__` left out the base's.
    """
    if isinstance(problem, type) and issubclass(problem, kind):
        name = problem.__name__
        raise TypeError(f"the problem is the class {name}: make one of it, {name}()")
    if not isinstance(problem, kind):
        given = type(problem).__name__
        raise TypeError(f"the problem is a {given}: give an object of a class of pinn.Problem")
    if not hasattr(problem, "gauges"):
        name = type(problem).__name__
        raise TypeError(f"{name}.__init__ does not call super().__init__(): let it begin with that")
    check_continued(problem)
    for attribute, value in vars(problem).items():
        if getattr(value, "grad_fn", None) is not None and attribute[0] != "_":
            raise TypeError(
                f"self.{attribute} of {type(problem).__name__} was computed from a trained "
                "coefficient once and would not follow it: make it a @property"
            )


def check_continued(problem: Any) -> None:
    """Refuse a coefficient to be continued in that is no positive number.

    Raises:
        TypeError: it is something else, or no attribute.
    """
    name = problem.continuation
    if name is None or name in problem.ranges:
        return
    value = getattr(problem, name, None)
    if not (isinstance(value, int | float) and 0 < value < math.inf):
        raise TypeError(
            f"self.{name} of {type(problem).__name__} is {value!r}, but continuation names it: "
            "make it a positive number, or write continuation = None"
        )


def check_attribute(problem: nn.Module, name: str, value: Any) -> None:
    """Refuse an attribute that would be lost or never be trained.

    Raises:
        TypeError: it is set before the module exists, is a leaf of autograd that no optimiser
            sees, or takes the place of a trained coefficient.
    """
    cls, text = type(problem).__name__, f"self.{name}"
    begun = "training" in vars(problem)  # which the module sets first of all
    if not begun and (isinstance(value, nn.Module) or hasattr(value, "requires_grad")):
        raise TypeError(f"{cls}.__init__ sets {text} before super().__init__(): call that first")
    if isinstance(value, nn.Parameter) or not begun:
        return
    if value is not None and name in dict(problem.named_parameters(recurse=False)):
        cure = f"fill_({value!r})" if isinstance(value, int | float) else "copy_(…)"
        raise TypeError(
            f"{text} of {cls} is a trained coefficient, which an assignment would replace: write "
            f"with torch.no_grad(): {text}.{cure}"
        )
    if getattr(value, "requires_grad", False) and value.is_leaf:
        raise TypeError(
            f"{text} of {cls} is a tensor that requires a gradient, but no optimiser would see it: "
            f"write {text} = nn.Parameter(torch.tensor(…))"
        )
