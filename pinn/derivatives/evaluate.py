"""The only place derivatives by the points come from.

    evaluate(f, x, plan, strategy)    f and its planned derivatives: training, validation, fields
    trace(f, x, axes, strategy)       Σ ∂f_k/∂x_k alone, for `Divergence`

A strategy changes the cost, never the number. Hutchinson's estimate runs under the same `settings`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.cache.tracing import is_differentiated, uncompiled
from pinn.derivatives.chain import CHAIN
from pinn.derivatives.formulas import AT_ONCE, FORMULAS, Formula, Formulas, named_refusals
from pinn.derivatives.loop import LOOP
from pinn.derivatives.outputs import Function
from pinn.derivatives.strategy import Strategy
from pinn.derivatives.taylor import TAYLOR
from pinn.derivatives.vmap import VMAP

StrategyName = Literal["auto", "rule", "taylor", "vmap", "loop"]

STRATEGIES: dict[str, Strategy] = {"taylor": TAYLOR, "vmap": VMAP, "loop": LOOP}
TRACES: dict[str, Strategy] = {"chain": CHAIN, **STRATEGIES}  # those that serve `trace`


def evaluate(f: Function, x: Tensor, plan: Plan, strategy: str, chunk: int | None = None) -> Jet:
    """f(x) and its planned partial derivatives at every point.

    Args:
        f: maps points (…, D) to components: a tensor (…, C), a tuple or a dict of (…,).
        x: points (…, D), any leading shape; never modified.
        plan: which derivatives.
        strategy: `taylor`, `vmap` or `loop`. `auto` is resolved by `strategy.choose`.
        chunk: for `vmap`, how many components to differentiate together.

    Returns:
        A jet with value (…, C) and one stream (…, C) per channel of the plan.

    Raises:
        ValueError: unknown strategy, or x without a coordinate axis.
        TypeError: x is complex or integer, or its dtype is not that of f's parameters.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy {strategy!r} is not one of {', '.join(STRATEGIES)}")
    check_points(f, x)
    if strategy == "loop" and is_differentiated():  # which `torch.autograd.grad` does not pass
        strategy = "vmap"
    chosen = STRATEGIES[strategy]
    assert chosen.jet is not None
    with settings(x, FORMULAS if chosen.is_reverse else {}):
        return chosen.jet(f, x, plan, chunk)


def trace(
    f: Function, x: Tensor, axes: Sequence[int], strategy: str, chunk: int | None = None
) -> Tensor:
    """Σ_k ∂f_k/∂x_{axes[k]} at the points x (…, D), as (…), without the other entries.

    Args:
        f: maps x to as many components as there are axes, or to a matrix of such rows: then the
            result has an entry for each row.
        x: the points; never modified.
        axes: which coordinate each component is differentiated along.
        strategy: `chain`, `taylor`, `vmap` or `loop`.
        chunk: for `vmap`, how many components to differentiate together.
    """
    chosen = TRACES[strategy]
    formulas = FORMULAS if is_differentiated() else AT_ONCE
    with settings(x, formulas if chosen.is_reverse else {}):
        return chosen.trace(f, x, axes, chunk)


@contextmanager
def settings(x: Tensor, formulas: Formula) -> Iterator[None]:
    """What derivatives are computed under, whatever the caller's settings.

    Autocast off: second derivatives do not survive half precision. Fused attention has no second
    derivative. A compiled network has none either, so it runs uncompiled, unless it is part of a
    larger function that is being compiled as a whole.

    Args:
        x: the points.
        formulas: of torch's functions, those that are taken by elementary operations.
    """
    with (
        nullcontext() if x.device.type == "meta" else torch.autocast(x.device.type, enabled=False),
        sdpa_kernel(SDPBackend.MATH),
        uncompiled(),
        nullcontext() if torch.compiler.is_compiling() else named_refusals(),
        Formulas(formulas) if formulas else nullcontext(),
    ):
        yield


def check_points(f: Function, x: Tensor) -> None:
    """Refuse points that cannot be differentiated at, or not together with the weights of f."""
    check_tensor(x)
    check_precision(f, x)


def check_tensor(x: Tensor) -> None:
    """Refuse points that cannot be differentiated at."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}: give a tensor, such as torch.as_tensor(x)")
    if x.ndim == 0:
        raise ValueError("x has no axis of coordinates: expected shape (…, d)")
    if not x.dtype.is_floating_point:
        raise TypeError(f"x has dtype {x.dtype}: derivatives need real floating-point points")


def check_precision(f: Function, x: Tensor) -> None:
    """Refuse points of another precision than the weights of a network."""
    if isinstance(f, nn.Module):
        parameter = next((p for p in f.parameters() if p.dtype.is_floating_point), None)
        if parameter is not None and parameter.dtype != x.dtype:
            raise TypeError(
                f"x is {x.dtype} but the network's parameters are {parameter.dtype}: "
                "cast one of them with .to(dtype)"
            )
