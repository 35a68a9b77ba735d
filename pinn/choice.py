"""Which strategy `auto` picks, and why. The rule stands here and nowhere else.

taylor   where every function of the network has a Taylor rule and the numbers agree
vmap     otherwise, on CUDA and whenever more than one process trains
loop     otherwise
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.derivatives import evaluate
from pinn.strategies.outputs import Function


@dataclass(frozen=True)
class Choice:
    """A strategy and the reason it was picked."""

    strategy: str
    reason: str


def rule(obstacle: str | None, cuda: bool, processes: int) -> Choice:
    """The rule itself.

    Args:
        obstacle: why the fused pass cannot serve this function; None if it can.
        cuda: whether the points live on a CUDA device.
        processes: how many processes train together.
    """
    if obstacle is None:
        return Choice("taylor", "every function of the network has a Taylor rule")
    if cuda:
        return Choice("vmap", f"{obstacle}; on CUDA few launches count")
    if processes > 1:
        return Choice("vmap", f"{obstacle}; {processes} processes train together")
    return Choice("loop", obstacle)


def choose(f: Function, x: Tensor, plan: Plan, strategy: str = "auto") -> Choice:
    """Resolve `auto` for one function; any other name is the user's own choice.

    Args:
        f: the function to differentiate.
        x: points (…, d) it will be evaluated at; a few of them are tried.
        plan: the derivatives that are wanted.
        strategy: `auto` or the name of a strategy.
    """
    if strategy != "auto":
        return Choice(strategy, "asked for")
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    processes = torch.distributed.get_world_size() if distributed else 1
    return rule(obstacle_to_taylor(f, x, plan), x.is_cuda, processes)


def obstacle_to_taylor(f: Function, x: Tensor, plan: Plan) -> str | None:
    """Why the fused pass cannot serve f: a missing rule, or numbers that differ from the loop's.

    Any exception of the jet counts, because the plain forward pass of `loop` has to work first:
    its own error is the user's and passes through.
    """
    points = probe(f, x)
    with torch.no_grad():
        expected = evaluate(f, points, plan, "loop")
        try:
            found = evaluate(f, points, plan, "taylor")
        except Exception as error:
            return f"no fused pass: {str(error).splitlines()[0]}"
    return disagreement(found, expected, plan)


def probe(f: Function, x: Tensor) -> Tensor:
    """A few points to try f on; all of them if f closes over tensors of the batch's shape."""
    few = x[tuple(slice(0, 4) for _ in x.shape[:-1])].detach()
    try:
        with torch.no_grad():
            evaluate(f, few, Plan(), "loop")
    except (RuntimeError, ValueError, IndexError):
        return x.detach()
    return few


def disagreement(found: Jet, expected: Jet, plan: Plan) -> str | None:
    """Where two evaluations differ beyond rounding; None if nowhere."""
    if found.value.numel() == 0:
        return None
    # A second derivative of a float32 network carries about six orders of rounding less.
    tolerance = torch.finfo(found.dtype).eps ** 0.5
    pairs = [(found.value, expected.value)]
    pairs += [(found.stream(c), expected.stream(c)) for c in plan.channels]
    for a, b in pairs:
        scale = max(float(b.nan_to_num(0, 0, 0).abs().max()), 1.0)
        if not torch.allclose(a.to(b), b, rtol=0, atol=tolerance * scale, equal_nan=True):
            return "no fused pass: its numbers differ from reverse mode (a custom backward?)"
    return None
