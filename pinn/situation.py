"""What a choice holds for, and the memory of the choices made.

A module is known by its identity. A function made anew at every call, such as `lambda x: net(x)`,
is known by its code and by what it refers to, so that it is not measured at every step.
"""

import math
import weakref
from collections.abc import Callable, Hashable
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from pinn.strategies.outputs import Function
from pinn.trial import captured, modules_of

MOST = 16
Memory = dict[Hashable, Any]
KNOWN: weakref.WeakKeyDictionary[Any, Memory] = weakref.WeakKeyDictionary()


def memory_of(f: Function) -> Memory | None:
    """What is known about f for as long as f lives; None where Python cannot tell."""
    try:
        hash(identity(f))
        return KNOWN.setdefault(owner_of(f), {})
    except TypeError:  # neither hashable nor weakly referenceable
        return None


def recall(
    f: Function, x: Tensor, training: bool, settings: Hashable, decide: Callable[[bool], Any]
) -> Any:
    """What was decided for f in this situation, or is decided now.

    Args:
        f: the function.
        x: its points (…, D).
        training: whether gradients are wanted.
        settings: what else the decision depends on.
        decide: decides; told whether measuring is worth its time, as it is where the answer can
            be remembered and the function does not show itself ever new.
    """
    memory = memory_of(f)
    if memory is None:
        return decide(False)
    key = settings, situation(f, x, training)
    if key not in memory:
        memory[key] = decide(len(memory) < MOST)
    return memory[key]


def owner_of(f: Function) -> Any:
    """The object that a choice is kept with: the module, a method's object, a function's code."""
    if isinstance(f, MethodType):
        return f.__self__
    return f.__code__ if isinstance(f, FunctionType) else f


def identity(f: Any, depth: int = 3) -> Hashable:
    """What tells f from other callables of the same owner.

    Raises:
        TypeError: f refers to something that is neither hashable nor weakly referenceable.
    """
    if isinstance(f, MethodType):
        return f.__func__
    if not isinstance(f, FunctionType):
        return None
    given = captured(f) | (f.__kwdefaults__ or {}) | dict(enumerate(f.__defaults__ or ()))
    return tuple((name, token(value, depth)) for name, value in given.items())


def token(value: Any, depth: int) -> Hashable:
    """A stand-in for something a function refers to, which does not keep it alive."""
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        return tuple(value.shape), value.dtype, value.requires_grad
    if isinstance(value, list | tuple) and depth > 0:
        return tuple(token(part, depth - 1) for part in value)
    if isinstance(value, dict) and depth > 0:
        return tuple((name, token(part, depth - 1)) for name, part in value.items())
    if isinstance(value, float):  # such as a weight that is annealed
        return float
    if isinstance(value, FunctionType) and depth > 0:  # not for ever: a function may name itself
        return weakref.ref(value.__code__), identity(value, depth - 1)
    try:
        return weakref.ref(value)
    except TypeError:
        hash(value)
        return value


def situation(f: Function, x: Tensor, training: bool) -> Hashable:
    """What a decision for f at x holds for: it does not depend on how many points there are.

    One point alone does not show whether points interact, so an axis of length 1 differs from
    a longer one.
    """
    modes = tuple(module.training for module in modules_of(f))
    counts = tuple(min(n, 2) for n in x.shape[:-1])
    return identity(f), modes, training, counts, x.shape[-1], x.dtype, x.device


def magnitude(x: Tensor) -> Hashable:
    """What a measurement holds for: numbers of points within a factor of four, and the threads."""
    points = max(x.shape[:-1].numel(), 1)
    return math.ceil(math.log(points, 4)), torch.get_num_threads()
