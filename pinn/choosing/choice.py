"""Which strategy `auto` picks, and why: by measurement, or by the rule.

    1. exact and supported: the numbers agree with reverse mode
    2. counted: a candidate estimated at more than 3 times the cheapest is discarded
    3. timed: the rest, in turns, within a budget of seconds

Where several processes train and nothing says that all of them get here, as with an operator, the
third step is left out: what is counted is the same on all of them.

The rule, without measurement:

    chain    for a divergence, where the Jacobian is one of constant matrices and slopes
    taylor   otherwise, where every function of the network has a derivative rule
             and the numbers agree
    vmap     otherwise, on CUDA and whenever more than one process trains
    loop     otherwise
"""

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pinn.base.messages import one_of
from pinn.base.processes import gathered, processes, rank
from pinn.cache.rechecks import Remembered, recall
from pinn.checking.agreement import disagreements, disagreements_of_sums
from pinn.checking.independence import check_independence
from pinn.choosing.candidates import CLEAR, lines_of
from pinn.choosing.candidates import measure as measure_candidates
from pinn.choosing.sample_step import Trial, magnitude, some_components
from pinn.derivatives.evaluate import STRATEGIES, TRACES, check_precision
from pinn.derivatives.outputs import Function

ALIKE = 1.1  # times the fewest floating-point operations
NAMES = ("auto", "rule", *STRATEGIES)
MANY = 32  # components of a trace from which on not every entry of the Jacobian is checked
TRACE_NAMES = ("auto", "rule", *TRACES, "hutchinson")


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

    @property
    def briefest(self) -> str:
        """The strategy of the fewest operations, among those that cost about as little to compute.

        A compiler joins operations and takes long for many.
        """
        counts = {r["strategy"]: (r["flops"], r["operations"]) for r in self.table if r["flops"]}
        least = min((flops for flops, _ in counts.values()), default=0.0)
        alike = [name for name, (flops, _) in counts.items() if flops <= ALIKE * least]
        return min(alike, key=lambda name: counts[name][1], default=self.strategy)

    def __str__(self) -> str:
        return "\n".join([self.line, *lines_of(self.table)])

    def beside(self, measurement: "Choice") -> "Choice":
        """This choice with the table of a measurement that may have chosen otherwise."""
        table = [dict(row) for row in measurement.table]
        for row in table:
            row["note"] = "the fastest" if row["note"] == "chosen" else row["note"]
            if row["strategy"] == self.strategy:
                row["note"] = f"chosen; {row['note']}"
        return replace(self, table=table)


def settled(
    f: Function,
    trial: Trial,
    x: Tensor,
    strategy: str,
    settings: Hashable,
    beside: Sequence[Any] = (),
    tensors: list[Tensor] | None = None,
) -> Remembered:
    """The choice for an evaluation, made once, remembered with f and held against reverse mode.

    Args:
        f: the function that it is remembered with.
        trial: the evaluation.
        x: all its points (…, d).
        strategy: what is asked for, see `choose`.
        settings: what else the choice depends on.
        beside: what f is called with besides the points.
        tensors: those that f may read are appended to it.

    Raises:
        CoupledPointsError: f couples points.
        ValueError: see `choose`.
    """

    def find(worth: bool) -> Choice:
        check_precision(f, x)
        check_independence(trial.f, x)
        if strategy == "auto" and worth and processes() > 1 and x.numel():
            return counted(trial, x)
        return choose(trial, x, strategy, measure=worth and processes() == 1)

    def is_right(choice: Choice, whole: bool = False) -> bool:
        check_independence(trial.f, x)
        with torch.set_grad_enabled(trial.training):
            some = not whole and choice.strategy in trial.strategies
            part = some_components(trial, x) if some else trial
            return obstacle_of(part, x, choice.strategy) is None

    def safe() -> Choice:
        reason = "the function reads something new at every call, such as a list that grows"
        warnings.warn(f"{reason}: its derivatives are taken by strategy 'loop'", stacklevel=2)
        return Choice("loop", reason)

    size = magnitude(x) if strategy == "auto" else None
    key = (strategy, size, settings)
    instead = None if strategy == "hutchinson" else safe  # an estimate has no better
    whole = partial(is_right, whole=True)
    return recall(f, x, trial.training, key, find, is_right, instead, beside, tensors, whole)


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


def choose(trial: Trial, x: Tensor, strategy: str = "auto", measure: bool = True) -> Choice:
    """Resolve `auto` and `rule` for an evaluation; any other name is the user's own choice.

    Where several processes train, the first one measures and tells the others: every process has
    to get here. Named strategies and the rule need no exchange.

    Args:
        trial: the evaluation.
        x: points (…, d), as many as it will be made at.
        strategy: `auto`, `rule` or the name of a strategy.
        measure: whether `auto` may measure; if not it is the rule.

    Raises:
        ValueError: unknown strategy, or the one asked for gives other numbers than reverse mode.
    """
    one_of("strategy", strategy, TRACE_NAMES if trial.axes else NAMES)
    with torch.set_grad_enabled(trial.training):
        if strategy not in ("auto", "rule"):
            return asked_for(trial, x, strategy)
        if strategy == "rule" or not measure or x.numel() == 0:
            return ruled(trial, x)
        return together(lambda: measured(trial, x))


def asked_for(trial: Trial, x: Tensor, strategy: str) -> Choice:
    """The user's own choice, unless its numbers are wrong.

    Raises:
        ValueError: they differ from reverse mode, or the strategy does not serve this function.
    """
    if obstacle := obstacle_of(trial, x, strategy):
        raise ValueError(f"strategy {strategy!r} was asked for, but {obstacle}; use 'auto'")
    return Choice(strategy, "asked for")


def obstacle_of(trial: Trial, x: Tensor, strategy: str) -> str | None:
    """Why an exact strategy cannot be trusted with an evaluation; None if it can."""
    if strategy not in trial.strategies:
        return None
    return obstacles(trial, x, (strategy,))[strategy]


def obstacles(trial: Trial, x: Tensor, strategies: Sequence[str]) -> dict[str, str | None]:
    """Why each of some exact strategies cannot be trusted with an evaluation; None if it can.

    Of a trace of many components the sum is compared, and a few of them with their derivatives and
    gradients: all d² entries with theirs would take a minute at d = 784.
    """
    if len(trial.axes) <= MANY:
        return disagreements(trial.f, x, trial.plan, strategies, trial.axes)
    part = some_components(trial, x)
    whole = part is trial
    reasons = disagreements(part.f, x, part.plan, strategies, part.axes)
    right = [s for s, reason in reasons.items() if reason is None and not whole]
    return reasons | (disagreements_of_sums(trial.f, x, right, trial.axes) if right else {})


def ruled(trial: Trial, x: Tensor) -> Choice:
    """The rule applied."""
    if trial.axes and obstacle_of(trial, x, "chain") is None:
        return Choice("chain", "the Jacobian is a chain of constant matrices and slopes")
    obstacle = obstacle_of(trial, x, "taylor")
    choice = rule(obstacle, x.is_cuda, processes())
    other = obstacle_of(trial, x, "vmap") if choice.strategy == "vmap" else None
    return choice if other is None else Choice("loop", f"{obstacle}; {other}")


def measured(trial: Trial, x: Tensor) -> Choice:
    """The fastest of the candidates that agree with reverse mode."""
    end = trial.clock() + trial.budget
    reasons = obstacles(trial, x, trial.strategies)
    refused = {s: obstacle for s, obstacle in reasons.items() if obstacle is not None}
    measurement = measure_candidates(trial, x, refused, end)
    return Choice(measurement.fastest, measurement.line, measurement.table())


def counted(trial: Trial, x: Tensor) -> Choice:
    """The cheapest by count, and the fused pass where it is nearly as cheap: the same everywhere.

    Nothing says that all processes get here, so none may wait for another; and f may hold
    collectives, so each that gets here runs it as often as the others.
    """
    with torch.set_grad_enabled(trial.training):
        choice = measured(replace(trial, budget=0.0, tie=CLEAR), x)
    return replace(choice, reason=f"{choice.reason}; {processes()} processes train together")


def together(decide: Callable[[], Choice]) -> Choice:
    """What the first process decides, on all of them; its error is the error of all.

    Raises:
        Exception: what the first process raised, or a RuntimeError with its words elsewhere.
    """
    if processes() == 1:
        return decide()
    said: Any = None
    failure: Exception | None = None
    if rank() == 0:
        try:
            said = vars(decide())
        except Exception as error:
            failure, said = error, f"{type(error).__name__}: {error}"
    said = gathered(said)[0]
    if failure is not None:
        raise failure
    if isinstance(said, str):
        raise RuntimeError(f"the first process could not choose a strategy: {said}")
    return Choice(**said)
