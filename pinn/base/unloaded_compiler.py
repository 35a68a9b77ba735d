"""torch's compiler, which takes a second to load, left unloaded until something compiles.

torch asks for it where functions are to be kept from it, and for its symbolic shapes where sizes
are compared. The answers are known before it is loaded: nothing is compiled, and a size is a
number. Once it is loaded it answers itself, and where torch asks for something else, it is loaded.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import Any

import torch
from torch.optim import Optimizer

from pinn.base.later import Later, StandIn, Unloaded, later

COMPILER = "torch._dynamo"
SHAPES = "torch.fx.experimental.symbolic_shapes"


def is_compiler_loaded() -> bool:
    """Whether anything can have been compiled, by `torch.compile`."""
    return f"{COMPILER}.eval_frame" in sys.modules


def left_alone(function: Callable | None = None, *args: Any, **options: Any) -> Callable:
    """`torch.compiler.disable`: before something is compiled, nothing looks into the function."""
    if function is None:
        return functools.partial(left_alone, **options)
    told: list[Callable] = []

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        if not told and is_compiler_loaded():
            told.append(torch.compiler.disable(function, *args, **options))
        return (told or [function])[0](*given, **named)

    return call


def spare(owner: type, names: Sequence[str]) -> None:
    """Let methods that torch keeps from the compiler not load it when they are first called."""
    for name in names:
        inner = getattr(getattr(owner, name, None), "__wrapped__", None)
        if inner is not None and not hasattr(inner, "__dynamo_disable"):
            setattr(inner, "__dynamo_disable", left_alone(inner))


@contextmanager
def without_compiler() -> Iterator[None]:
    """Within it, what is imported may name the compiler, which does not load it.

    Raises:
        AttributeError: it asks for something that is not known here.
    """
    if COMPILER in sys.modules:
        yield
        return
    stand_in: Any = ModuleType(COMPILER)
    stand_in.OptimizedModule = StandIn.of(f"{COMPILER}.eval_frame", "OptimizedModule")
    stand_in.disable = left_alone
    sys.modules[COMPILER] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]


def uncompiled_gradients() -> AbstractContextManager[None]:
    """Within it reverse mode runs as it is: `torch._dynamo.compiled_autograd._disable`."""
    if is_compiler_loaded():
        return torch._dynamo.compiled_autograd._disable()
    return nullcontext()


def leave_unloaded() -> None:
    """Let torch find these answers where it would load the compiler."""
    spare(Optimizer, ("add_param_group", "zero_grad", "state_dict", "load_state_dict"))
    if COMPILER not in sys.modules:  # an import puts the compiler in this place
        gradients = Unloaded(f"{COMPILER}.compiled_autograd", _disable=uncompiled_gradients)
        torch._dynamo = Unloaded(COMPILER, compiled_autograd=gradients)  # type: ignore[assignment]
    if SHAPES not in sys.modules:
        shapes = later(SHAPES)

        def sym_eq(x: Any, y: Any) -> Any:
            """Whether sizes are equal."""
            known = all(type(n) is int for n in (*x, *y))
            return tuple(x) == tuple(y) if known else Later.run(shapes).sym_eq(x, y)

        def expect_true(it: Any) -> Any:
            """A truth value that has to be true for what is compiled to hold."""
            return it if type(it) is bool else Later.run(shapes).expect_true(it)

        vars(shapes).update(sym_eq=sym_eq, expect_true=expect_true)


leave_unloaded()
