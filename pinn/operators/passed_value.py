"""The value that an evaluation of derivatives passes on its way: f(x) beside ∇·f, f called once.

(v, ∇·v)        the right-hand side of a flow that carries its density along
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from pinn.algebra.jet import Jet
from pinn.cache.tensor_contents import is_wrapped
from pinn.cache.tracing import keeps_graph
from pinn.derivatives.outputs import Function


class Passed:
    """f, whose results are kept.

    Args:
        f: a function of the points alone.
    """

    def __init__(self, f: Function) -> None:
        self.f = f
        self.results: list[tuple[Any, Any]] = []

    def __call__(self, x: Any) -> Any:
        """f(x), kept."""
        self.results.append((x, self.f(x)))
        return self.results[-1][1]

    def value(self, x: Tensor) -> Any:
        """f(x), as it was passed; evaluated again where it was not, or in parts."""
        if len(self.results) == 1:
            ((at, y),) = self.results
            parts = [*y.values()] if isinstance(y, Mapping) else [y] if has_value(y) else list(y)
            if at.shape == x.shape and all(map(has_value, parts)):
                return mapped(plain, y)
        return self.f(x)


def has_value(part: Any) -> bool:
    """Whether the numbers of a component outlive the evaluation."""
    return isinstance(part, Jet) or (isinstance(part, Tensor) and not is_wrapped(part))


def plain(part: Any) -> Tensor:
    """The value of a component, with a graph where one is wanted."""
    value: Tensor = part.value if isinstance(part, Jet) else part
    # What `vmap` wrapped is unwrapped by an operation, once its transform has ended.
    return value.view_as(value) if keeps_graph() else value.detach()


def mapped(change: Callable[[Any], Any], y: Any) -> Any:
    """An output with each of its components changed."""
    if isinstance(y, Mapping):
        return {name: change(part) for name, part in y.items()}
    if isinstance(y, Tensor | Jet):
        return change(y)
    return tuple(map(change, y))
