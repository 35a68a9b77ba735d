"""Which operation, in which line of the user's file, gave the first number that is not finite."""

import math
import operator
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.deferred import at_once
from pinn.algebra.series import Series
from pinn.base.torch_adapter import DispatchMode
from pinn.checking.autograd_graph import nodes
from pinn.physics.explanation import where

DUNDER = re.compile("__(r?)(truediv|pow|mul|add|sub)__")
CALLED = "__torch_function__"
NAMES = {
    "truediv": "a division", "pow": "a power", "mul": "a product", "add": "a sum",
    "sub": "a difference", "mm": "a layer",
}  # fmt: skip
APART = "keep the argument away from there, by a square, exp or a small number added"
AWAY = "multiply the equation by what is zero there, or keep the region away from there"
GROWN = "the numbers have grown: lower the learning rate, or scale the equation"
SLOPE = "add a small positive number to the argument, such as 1e-12"
# What helps where the numbers depend on what is trained, and where they depend on the point alone.
CURES = {
    "slope": (SLOPE, SLOPE),
    "large": (GROWN, "scale the argument"),
    "zero": (APART, AWAY),
    "domain": (APART, "correct the formula, or keep the region away from there"),
}
LINE = re.compile(r'File "([^"]+)", line (\d+)')


@dataclass
class Origin:
    """What happened.

    Args:
        what: the operation with its numbers, in words.
        place: the line of the user's file; empty if it is in none.
        kind: `zero`, `domain`, `slope` (an infinite derivative), or `large`.
        trained: whether the numbers depend on what is trained, or on the point alone.
    """

    what: str
    place: str
    kind: str
    trained: bool

    def __str__(self) -> str:
        """In one line, with the cure."""
        text = self.what + (f" ({self.place})" if self.place else "")
        trained, of_the_point = CURES[self.kind]
        return f"{text}: {trained if self.trained else of_the_point}"


class FirstNonFinite(DispatchMode):
    """Watches operations until one makes a number that is not finite from finite ones."""

    def __init__(self) -> None:
        super().__init__()
        self.origin: Origin | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run the operation, and look at what it gives."""
        result = func(*args, **(kwargs or {}))
        if self.origin is None and isinstance(result, Tensor) and spoilt(result):
            given = [a for a in args if isinstance(a, Tensor)]
            if given and not any(map(spoilt, given)):
                trained = any(t.requires_grad for t in given)
                self.origin = described(func, args, result, trained, sys._getframe(1))
        return result


def spoilt(tensor: Tensor) -> bool:
    """Whether a tensor has a number that is not finite."""
    return tensor.is_floating_point() and not bool(tensor.isfinite().all())


def origin(run: Callable[[], Any]) -> Origin | None:
    """The first operation of a function that makes a number which is not finite."""
    with at_once(), FirstNonFinite() as watch:
        run()
    return watch.origin


def described(
    func: Any, args: Sequence[Any], result: Tensor, trained: bool, frame: FrameType | None
) -> Origin:
    """An operation below autograd, in the words of the line that asked for it."""
    index = int((~result.isfinite()).reshape(-1).nonzero()[0])
    numbers = [number(a, result, index) for a in args if isinstance(a, Tensor | int | float)]
    asked, place = "", ""
    while frame is not None and not (place := where(frame.f_code.co_filename, frame.f_lineno)):
        operation = field_operation(frame)
        asked = asked if operation is None else operation
        frame = frame.f_back
    if asked:  # the value is finite, so that only a derivative is not
        return Origin(f"{asked} has a value but no finite derivative", place, "slope", trained)
    what, kind = in_words(func.overloadpacket.__name__, numbers, result.dtype)
    return Origin(what, place, kind, trained)


def field_operation(frame: FrameType) -> str | None:
    """An operation of a field and its argument; empty if its value is not finite."""
    name, held = frame.f_code.co_name, frame.f_locals
    given: Sequence[Any]
    if name == CALLED and "func" in held:
        called, given = held["func"], held.get("args", ())
        text = getattr(called, "__name__", "")
    elif (match := DUNDER.fullmatch(name)) and isinstance(held.get("self"), Series):
        given = [held["self"], held.get("other", held.get("exponent", held.get("base")))]
        given = given[::-1] if match[1] else given
        called, text = getattr(operator, match[2]), NAMES.get(match[2], match[2])
    else:
        return None
    plain = [g.value if isinstance(g, Series) else g for g in given]
    with suppress(Exception):
        argument = next(p for p in plain if isinstance(p, Tensor)).reshape(-1)[0]
        return "" if spoilt(called(*plain)) else f"{text} of {float(argument):.4g}"
    return None


def number(given: Any, result: Tensor, index: int) -> float:
    """The element of an argument that belongs to an element of the result; NaN if none does."""
    if not isinstance(given, Tensor):
        return float(given)
    with suppress(RuntimeError):
        return float(given.expand_as(result).reshape(-1)[index])
    return math.nan


def in_words(name: str, numbers: Sequence[float], dtype: torch.dtype) -> tuple[str, str]:
    """An operation with its numbers, and of which kind it is."""
    name = name.rstrip("_")
    first, second = (*numbers, math.nan, math.nan)[:2]
    if (name in ("reciprocal", "rsqrt") and first == 0) or (name == "div" and second == 0):
        return "a division by zero" if first or name != "div" else "0/0", "zero"
    if name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "asin", "acos", "acosh", "atanh"):
        words = {"log": "the logarithm", "sqrt": "the square root", "rsqrt": "the square root"}
        return f"{words.get(name, name)} of {first:.4g}", "domain"
    if name == "pow" and (first == 0 or (first < 0 and second != round(second))):
        return f"{first:.4g} to the power {second:.4g}", "domain" if first else "zero"
    limit = str(dtype).removeprefix("torch.")
    shown = ", ".join(f"{n:.4g}" for n in numbers if not math.isnan(n))
    text = NAMES.get(name, name) + (f" of {shown}" if shown else "")
    return f"{text} is more than {limit} can hold", "large"


def backward_origin(loss: Callable[[], Tensor], parameters: Sequence[Tensor]) -> Origin | None:
    """The first operation whose derivative is not finite, where the value of the loss is."""
    first: list[tuple[str, str]] = []

    def look(node: Any, made: tuple, came: tuple) -> None:
        fine = not any(t is not None and spoilt(t) for t in came)
        if not first and fine and any(t is not None and spoilt(t) for t in made):
            first.append((node.name(), "".join(node.metadata.get("traceback_", ()))))

    # Every node of the graph remembers the line that made it.
    with at_once(), torch.autograd.set_detect_anomaly(True, check_nan=False), torch.enable_grad():
        end = loss()
        for node in nodes(end):
            node.register_hook(partial(look, node))
        torch.autograd.grad(end, parameters, allow_unused=True)
    if not first:
        return None
    name, lines = first[0]
    places = [place for file, line in LINE.findall(lines) if (place := where(file, int(line)))]
    name = re.sub(r"Backward\d*$", "", name).lower()
    what = f"{NAMES.get(name, name)} has a value but no finite derivative"
    return Origin(what, places[-1] if places else "", "slope", True)
