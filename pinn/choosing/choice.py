"""Which strategy `auto` picks, and why: by measurement, or by the rule.

    1. exact and supported: the numbers agree with reverse mode
    2. counted: a candidate estimated at more than 3 times the cheapest is discarded
    3. timed: the rest, in turns, within a budget of seconds

The rule, without measurement:

    taylor   where every function of the network has a derivative rule and the numbers agree
    vmap     otherwise, on CUDA and whenever more than one process trains
    loop     otherwise
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.base.costs import number
from pinn.base.messages import near_miss
from pinn.base.processes import processes, rank
from pinn.checking.agreement import disagreement
from pinn.checking.independence import check_independence
from pinn.choosing.candidates import TIE, Measurement, duration, lines_of
from pinn.choosing.candidates import measure as measure_candidates
from pinn.choosing.rehearsal import EXACT, Clock, Trial
from pinn.derivatives.evaluate import STRATEGIES
from pinn.derivatives.outputs import Function

BUDGET = 2.0
NAMES = ("auto", "rule", *STRATEGIES)


@dataclass(frozen=True)
class Choice:
    """A strategy, and why: plain data that a checkpoint can hold.

    Args:
        strategy: its name.
        reason: one line.
        table: per candidate its strategy, flops, memory (bytes), operations, seconds, points and
            note; None where it was not counted or timed. Empty where nothing was measured.
    """

    strategy: str
    reason: str
    table: list[dict[str, Any]] = field(default_factory=list)

    @property
    def line(self) -> str:
        """Strategy and reason in one line."""
        told = self.reason.startswith(self.strategy)
        return self.reason if told else f"{self.strategy}, {self.reason}"

    def __str__(self) -> str:
        return "\n".join([self.line, *lines_of(self.table)])


def still_right(trial: Trial, x: Tensor, choice: Choice) -> bool:
    """Whether a choice made earlier still gives the numbers of reverse mode.

    Raises:
        CoupledPointsError: by now f couples points.
    """
    check_independence(trial.f, x)
    with torch.set_grad_enabled(trial.training):
        right = choice.strategy not in EXACT or (
            disagreement(trial.f, x, trial.plan, choice.strategy) is None
        )
    return right


def ever_new(strategy: str) -> Callable[[], Choice] | None:
    """What takes the place of a strategy for a function that reads something new at every call.

    Args:
        strategy: the one asked for; an estimate has no better.
    """

    def safe() -> Choice:
        reason = "the function reads something new at every call, such as a list that grows"
        warnings.warn(f"{reason}: its derivatives are taken by strategy 'loop'", stacklevel=2)
        return Choice("loop", reason)

    return None if strategy == "hutchinson" else safe


def rule(obstacle: str | None, cuda: bool, processes: int) -> Choice:
    """The rule itself.

    Args:
        obstacle: why the fused pass cannot serve this function; None if it can.
        cuda: whether the points live on a CUDA device.
        processes: how many processes train together.
    """
    if obstacle is None:
        return Choice("taylor", "every function of the network has a derivative rule")
    if cuda:
        return Choice("vmap", f"{obstacle}; on CUDA few launches count")
    if processes > 1:
        return Choice("vmap", f"{obstacle}; {processes} processes train together")
    return Choice("loop", obstacle)


def choose(
    f: Function,
    x: Tensor,
    plan: Plan,
    strategy: str = "auto",
    *,
    training: bool = True,
    measure: bool = True,
    budget: float = BUDGET,
    tie: float = TIE,
    clock: Clock = time.perf_counter,
) -> Choice:
    """Resolve `auto` and `rule` for one function; any other name is the user's own choice.

    Args:
        f: the function to differentiate.
        x: points (…, d) as many as it will be evaluated at.
        plan: the derivatives that are wanted.
        strategy: `auto`, `rule` or the name of a strategy.
        training: whether the backward pass to the parameters is measured too.
        measure: whether `auto` may measure; if not it is the rule.
        budget: seconds that checking, counting and timing may take together.
        tie: the fused pass is taken while it is no more than this many times the fastest: the more,
            the surer two runs take the same strategy, and so the same bits.
        clock: what seconds are read from.

    Raises:
        ValueError: unknown strategy, or the one asked for gives other numbers than reverse mode.
    """
    return decide(Trial(f, plan, training, clock=clock), x, strategy, measure, budget, tie)


def decide(
    trial: Trial,
    x: Tensor,
    strategy: str,
    measure: bool = True,
    budget: float = BUDGET,
    tie: float = TIE,
) -> Choice:
    """`choose` for an evaluation described in full.

    Where several processes train, the first one measures and tells the others: every process has
    to get here. Named strategies and the rule need no exchange.
    """
    check_name(strategy, (*NAMES, "hutchinson"))
    with torch.set_grad_enabled(trial.training):
        if strategy not in ("auto", "rule"):
            return asked_for(trial, x, strategy)
        if strategy == "rule" or not measure or x.numel() == 0:
            return ruled(trial, x)
        return together(lambda: measured(trial, x, budget, tie))


def check_name(strategy: str, names: Sequence[str] = NAMES) -> None:
    """Refuse a name that is no strategy.

    Raises:
        ValueError: it is none; the closest known name is suggested.
    """
    if strategy not in names:
        raise ValueError(f"unknown strategy {strategy!r}: {near_miss(strategy, names)}")


def asked_for(trial: Trial, x: Tensor, strategy: str) -> Choice:
    """The user's own choice, unless its numbers are wrong.

    Raises:
        ValueError: they differ from reverse mode, or the strategy does not serve this function.
    """
    if strategy in EXACT:
        obstacle = disagreement(trial.f, x, trial.plan, strategy)
        if obstacle is not None:
            raise ValueError(f"strategy {strategy!r} was asked for, but {obstacle}; use 'auto'")
    return Choice(strategy, "asked for")


def ruled(trial: Trial, x: Tensor) -> Choice:
    """The rule applied."""
    obstacle = disagreement(trial.f, x, trial.plan, "taylor")
    choice = rule(obstacle, x.is_cuda, processes())
    if choice.strategy != "vmap":
        return choice
    other = disagreement(trial.f, x, trial.plan, "vmap")
    return choice if other is None else Choice("loop", f"{obstacle}; {other}")


def measured(trial: Trial, x: Tensor, budget: float = BUDGET, tie: float = TIE) -> Choice:
    """The fastest of the candidates that agree with reverse mode."""
    end = trial.clock() + budget
    refused = {}
    for strategy in EXACT:
        obstacle = disagreement(trial.f, x, trial.plan, strategy)
        if obstacle is not None:
            refused[strategy] = obstacle
    found = measure_candidates(trial, x, refused, end, tie)
    return Choice(found.fastest, reason(found, number(x)), found.table())


def reason(found: Measurement, points: int) -> str:
    """One line for a measurement: `taylor: 2.9 ms, vmap 4.4 ms at 1,000 points; loop …`."""
    best, final = found.fastest, found.final
    seconds = final.seconds if final else {}
    if final and best in seconds:
        ranked = sorted(seconds, key=lambda s: (s != best, seconds[s]))
        times = [f"{s} {duration(seconds[s])}" for s in ranked]
        line = f"{', '.join(times)} at {final.points:,} points".replace(" ", ": ", 1)
    elif len(found.costs) > 1:
        line = f"{best} by count"
    else:
        line = f"{best}: no other strategy serves"
    others = [s for s in EXACT if s not in seconds and s != best]
    notes = [f"{s} {found.note(s)}" for s in others if s in found.costs or s in found.left_out]
    return "; ".join([line, *notes])


def together(decide: Callable[[], Choice]) -> Choice:
    """What the first process decides, on all of them; its error is the error of all.

    Raises:
        Exception: what the first process raised, or a RuntimeError with its words elsewhere.
    """
    if processes() == 1:
        return decide()
    first = rank() == 0
    said: list[Any] = [None]
    failure: Exception | None = None
    if first:
        try:
            said = [vars(decide())]
        except Exception as error:
            failure, said = error, [f"{type(error).__name__}: {error}"]
    torch.distributed.broadcast_object_list(said, src=0)
    if failure is not None:
        raise failure
    if isinstance(said[0], str):
        raise RuntimeError(f"the first process could not choose a strategy: {said[0]}")
    return Choice(**said[0])
