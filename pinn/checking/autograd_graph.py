"""The autograd graph of a function: its leaves, and where it is cut in silence.

A function without a derivative cuts the graph as `detach` does; an `autograd.Function` marked
`once_differentiable` leaves its part out of whatever is differentiated twice. Nothing raises, and
all strategies would agree on the wrong number.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode, resolve_name

from pinn.cache.tensor_contents import requires_grad
from pinn.derivatives.outputs import Function, split

ONCE = once_differentiable(lambda ctx: None).__code__  # what the decorator makes shares its code


class CutGraphError(ValueError):
    """Part of f's derivative or of its parameter gradient would be missing."""


def refuse_cuts(f: Function, x: Tensor, twice: bool) -> None:
    """Run f forward once and look for what a derivative of it would leave out.

    Args:
        f: the function to differentiate.
        x: a few points that require grad.
        twice: whether f is differentiated more than once, be it by x or by its parameters.

    Raises:
        CutGraphError: f calls a function without a derivative, or one whose backward cannot
            be differentiated again.
    """
    with Constants():
        y = torch.stack(split(f(x.clone()), x.shape[:-1]), dim=-1)
    for node in nodes(y) if twice else ():
        function: Any = getattr(type(node), "_forward_cls", None)
        if function and getattr(function.backward, "__code__", None) is ONCE:
            raise CutGraphError(
                f"{function.__name__}.backward is marked once_differentiable: the parameter "
                "gradient of f's derivatives would miss its part. Write it with torch functions "
                "and without the mark"
            )


class Constants(TorchFunctionMode):
    """Refuses functions that torch takes for constant although their input has a gradient."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = resolve_name(func) or ""
        lost = (
            torch.is_grad_enabled()
            and isinstance(result, Tensor)
            and result.is_floating_point()
            and not requires_grad(result)
            and any(isinstance(a, Tensor) and requires_grad(a) for a in read(name, args))
        )
        if lost and not meant(name):
            raise CutGraphError(
                f"{name} has no derivative in torch: f would count as constant there. "
                "Write .detach() if that is meant"
            )
        return result


def read(name: str, args: Sequence[Any]) -> Sequence[Any]:
    """The arguments whose numbers a function by that name reads: `t.to(x)` asks x for its type."""
    short = name.rsplit(".", 1)[-1]
    return args[:1] if short == "to" or short.endswith("_as") else args


def meant(name: str) -> bool:
    """Whether a function by that name makes a constant on purpose."""
    short = name.rsplit(".", 1)[-1]
    makers = ("new_", "detach", "_detach", "numpy", "data", "grad", "__get__", "__set__")
    return short.startswith(makers) or short.endswith("_like") or not name


def nodes(*results: Tensor) -> Iterator[Any]:
    """The nodes of the graph that the results were made by."""
    waiting, seen = [y.grad_fn for y in results], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [parent for parent, _ in node.next_functions]
            yield node


def leaves(*results: Tensor) -> list[Tensor]:
    """The tensors that a gradient of the results would be accumulated in."""
    ends = [n for n in nodes(*results) if n.name().endswith("AccumulateGrad")]
    return [end.variable for end in ends]
