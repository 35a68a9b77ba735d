"""A few points at which a function is tried, in float64 and without leaving a trace.

Rounding hides wrong derivatives, the small ones first. In float64 a difference that remains is a
mistake. The function that trains is not changed: a copy of it is tried.
"""

import copy
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from pinn.base.torch_adapter import hooks
from pinn.cache.tracing import uncompiled
from pinn.derivatives.outputs import Function, split

POINTS = 16


@contextmanager
def undisturbed(x: Tensor) -> Iterator[None]:
    """Random state, grad mode and warnings are afterwards what they were before."""
    devices = [x.device] if x.is_cuda else []
    with (
        torch.random.fork_rng(devices),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(x.device.type, enabled=False),
        uncompiled(),  # compiling a network takes seconds
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def trial(f: Function, x: Tensor) -> tuple[Function, Tensor]:
    """f and a few of the points x to try it at, both in float64 where that works.

    All of the points are kept if f closes over tensors of the batch's shape, and their precision
    if f cannot be copied or casts to one of its own.

    Args:
        f: the function.
        x: its points (…, d).

    Returns:
        f or its copy, and points that require grad.
    """
    few = spread(x)
    tried = [(True, few), (False, few), (True, x), (False, x)]
    for double, points in tried:
        try:
            g = in_double(f) if double else f
            at = points.detach().to(torch.float64 if double else x.dtype, copy=True)
            with buffers_kept(g):
                split(g(at.clone()), at.shape[:-1])
        except Exception:
            if points is x and not double:
                raise
            continue
        return g, at.requires_grad_()
    raise AssertionError("the last trial returns or raises")


def spread(x: Tensor) -> Tensor:
    """At most 16 points of the batch (32 in five leading axes or more), from end to end."""
    lead = x.ndim - 1
    count = max(2, int(POINTS ** (1 / max(lead, 1)) + 1e-9))
    for axis in range(lead):
        n = x.shape[axis]
        index = torch.linspace(0, n - 1, min(n, count), device=x.device).round().long()
        x = x.index_select(axis, index)
    return x


def in_double(f: Any, memo: dict | None = None) -> Any:
    """A copy of f that computes in float64: a module, a method of one, or what a closure holds."""
    memo = {} if memo is None else memo
    if isinstance(f, nn.Module):
        memo |= {id(owner): owner for owner in owners_of_hooks(f)}
        return copy.deepcopy(f, memo).double()
    if isinstance(f, MethodType):
        return MethodType(f.__func__, in_double(f.__self__, memo))
    if isinstance(f, partial):
        given = [in_double(value, memo) for value in f.args]
        named = {name: in_double(value, memo) for name, value in f.keywords.items()}
        return partial(in_double(f.func, memo), *given, **named)
    if isinstance(f, Tensor) and f.is_floating_point():
        return f.detach().double().requires_grad_(f.requires_grad)
    if type(f) is tuple:
        return tuple(in_double(part, memo) for part in f)
    if not isinstance(f, FunctionType) or f.__closure__ is None or id(f) in memo:
        return memo.get(id(f), f)
    cells = tuple(CellType() for _ in f.__closure__)
    twin = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, cells)
    twin.__kwdefaults__ = f.__kwdefaults__
    memo[id(f)] = twin
    for cell, original in zip(cells, f.__closure__, strict=True):
        cell.cell_contents = in_double(original.cell_contents, memo)
    return twin


def owners_of_hooks(module: nn.Module) -> list[Any]:
    """What else than modules has hooks in a module, such as a profiler: it cannot be copied."""
    functions = [getattr(hook, "func", hook) for part in module.modules() for hook in hooks(part)]
    owners = [getattr(hook, "__self__", None) for hook in functions]
    return [owner for owner in owners if owner is not None and not isinstance(owner, nn.Module)]


def captured(f: Any) -> list[Any]:
    """What a function names outside itself; nothing for other callables."""
    if not isinstance(f, FunctionType):
        return []
    try:
        names = inspect.getclosurevars(f)
    except ValueError:  # a name that is not bound yet
        return []
    return [*names.globals.values(), *names.nonlocals.values()]


def modules_in(f: Any) -> list[tuple[str, nn.Module]]:
    """The named modules that f is, is a method of, names, or closes over."""
    waiting, seen = [f, *captured(f)], set()
    modules: list[tuple[str, nn.Module]] = []
    while waiting:
        part = waiting.pop(0)
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, nn.Module):
            modules += part.named_modules()
        elif isinstance(part, MethodType):
            waiting.append(part.__self__)
        elif isinstance(part, partial):
            waiting += [part.func, *part.args, *part.keywords.values()]
        elif isinstance(part, FunctionType):
            waiting += [c.cell_contents for c in part.__closure__ or () if c != CellType()]
    return modules


@contextmanager
def buffers_kept(f: Any) -> Iterator[None]:
    """Put the buffers that functions change back: spectral norm iterates in every training pass."""
    modules = [module for _, module in modules_in(f)]
    owners = [(module, dict(module.named_buffers(recurse=False))) for module in modules]
    before = [(b, b.detach().clone()) for _, held in owners for b in held.values()]
    try:
        yield
    finally:
        for module, held in owners:
            for name, buffer in held.items():
                if getattr(module, name, None) is not buffer:
                    setattr(module, name, buffer)
        with torch.no_grad():
            for buffer, old in before:
                if not torch.equal(buffer, old):
                    buffer.copy_(old)


def within(a: Tensor, b: Tensor, tolerance: Tensor) -> Tensor:
    """Where a and b are the same up to a tolerance, or where neither is a finite number."""
    return (a == b) | ~(a.isfinite() | b.isfinite()) | ((a - b).abs() <= tolerance)
