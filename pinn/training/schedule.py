"""The schedule of a run: the phase that it is in, since when, and what ended the one before."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor

from pinn.base.console import say
from pinn.base.processes import agreed_numbers
from pinn.base.transfers import reads_are_free
from pinn.checkpoints.file import CheckpointError
from pinn.optim import Phase
from pinn.solution.solution import Solution
from pinn.training.lightning_adapter import bound, last_step, run_one_epoch, validates

FALL = 0.01  # of the loss; less is none
LOOK = 10  # steps between two looks at a loss for which the device has to be waited for
KEPT = ("stage", "phase", "start", "step", "seconds", "lowest", "fell", "ended", "cause")


class Schedule:
    """Phases one after the other, each until something ends it; all of them in every stage.

    Every process ends a phase at the same step: what they decide by is the first one's.

    Attributes:
        stage: the number of the present stage of the problem, from 0.
        phase: the number of the present phase, from 0.
        start: the step at which it began.
        step: the last step taken.
        seconds: spent in the phase up to that step, those before a resumption included.
        lowest: the loss that is to fall.
        fell: the step at which it did.
        ended: why the phase is over; empty while it is not.
        cause: what ended it: `stalled`, or the name of the phase's limit or target.

    Args:
        phases: in order.
        judged: whether there is a reference to judge errors by.
        stages: the coefficients of each stage, by name.

    Raises:
        ValueError: there are no phases, or one aims at an error that nothing tells.
    """

    def __init__(
        self,
        phases: Sequence[Phase | dict[str, Any]],
        judged: bool,
        stages: Sequence[Mapping[str, float]] = ({},),
    ) -> None:
        self.phases = [p if isinstance(p, Phase) else Phase(**p) for p in phases]
        if not self.phases:
            raise ValueError(
                "phases is empty: give at least one, such as {optimizer: Adam, steps: 1000}"
            )
        for number, phase in enumerate(self.phases, 1):
            if phase.error is not None and not judged:
                raise ValueError(
                    f"phase {number} ({phase.optimizer}): error is {phase.error:g}, but no "
                    "reference is known for these parameters: remove it, or aim at a loss"
                )
        self.stages = stages
        self.said: list[str] = []
        self.trainer: Any = None
        self.most = math.inf
        self.rewind()

    def rewind(self) -> None:
        """Be before the first step."""
        self.stage = self.phase = self.step = 0
        self.open()
        self.wait()

    def open(self) -> None:
        """Begin the present phase at the present step."""
        self.start = self.fell = self.step
        self.seconds, self.lowest = 0.0, math.inf
        self.ended = self.cause = ""

    @property
    def current(self) -> Phase:
        """The present phase."""
        return self.phases[self.phase]

    def precision(self, solution: Solution) -> torch.dtype:
        """That of the present phase, or float64 where it would lose positions; says so, once."""
        dtype = self.current.torch_dtype
        lost = "" if dtype == torch.float64 else solution.unresolved(dtype)
        if lost and lost not in self.said:
            self.said.append(lost)
            say(f"precision float64 in every phase: {lost}; subtract an origin to train in float32")
        return torch.float64 if lost else dtype

    @property
    def is_done(self) -> bool:
        """Whether the last phase of the last stage is over."""
        return bool(self.ended) and self.is_last

    @property
    def is_last(self) -> bool:
        """Whether no phase comes after the present one."""
        return self.following == (len(self.stages), 0)

    @property
    def following(self) -> tuple[int, int]:
        """The numbers of the next stage and phase."""
        count = len(self.phases)
        return divmod(self.stage * count + self.phase + 1, count)

    @property
    def last_step(self) -> float:
        """The step at which the run ends at the latest; infinite where time alone bounds it."""
        return self.step + sum((p.steps or math.inf) - taken for p, taken, _ in self.upcoming())

    def upcoming(self) -> Iterator[tuple[Phase, int, float]]:
        """The phases still to come, with the steps and the seconds that they had already."""
        if not self.ended:
            yield self.current, self.step - self.start, self.seconds
        again = self.phases * (len(self.stages) - self.stage - 1)
        yield from ((phase, 0, 0.0) for phase in (*self.phases[self.phase + 1 :], *again))

    def lasts(self, cost: float) -> float:
        """The seconds that evaluations of loss and gradient, `cost` each, still take at most."""
        total, left = 0.0, self.most - self.step
        for phase, taken, spent in self.upcoming():
            each = phase.evaluations * cost
            steps = min((phase.steps or math.inf) - taken, left)
            if each > 0:
                steps = min(steps, ((phase.seconds or math.inf) - spent) / each)
                total += steps * each
            left -= steps
        return total

    def attach(self, trainer: L.Trainer) -> None:
        """Let a run of the trainer follow this schedule, from its beginning.

        Raises:
            ValueError: the trainer has settings that do not go with a phase.
        """
        self.check(trainer)
        self.trainer = trainer
        self.most = last_step(trainer)
        run_one_epoch(trainer)
        self.rewind()
        self.bound()

    def bound(self) -> None:
        """Let the run end with its last phase, and not after the steps that the trainer has."""
        if self.trainer is not None:
            bound(self.trainer, min(self.most, self.last_step))

    def check(self, trainer: L.Trainer) -> None:
        """Refuse settings that change the loss or its gradient between evaluations of one step.

        Raises:
            ValueError: gradient clipping or accumulation with a second-order optimiser, or a
                precision that the phases do not know of.
        """
        if trainer.precision not in ("32-true", 32, "32"):
            raise ValueError(f"precision is {trainer.precision!r}: set dtype in the phases instead")
        name = next((phase.optimizer for phase in self.phases if phase.has_one_loss), "")
        off = {"gradient_clip_val": None, "accumulate_grad_batches": 1}
        changed = [key for key, value in off.items() if getattr(trainer, key) != value]
        if name and changed:
            raise ValueError(
                f"{changed[0]} cannot be used with {name}, which needs the true gradient: remove "
                "one of them"
            )

    def begin(self) -> None:
        """Go on to the next phase, after the last to the first of the next stage."""
        self.stage, self.phase = self.following
        self.open()
        if self.phase == 0:
            say(self.line)

    @property
    def line(self) -> str:
        """Which stage this is: `stage 2   of 3: reynolds 400`."""
        label, values = f"stage {self.stage + 1}", self.stages[self.stage].items()
        told = ", ".join(f"{name} {value:g}" for name, value in values)
        return f"{label:<9} of {len(self.stages)}: {told}"

    def wait(self) -> None:
        """Count no seconds up to now."""
        self.clock = time.monotonic()

    def advance(self, loss: Tensor, stalled: bool, device: torch.device | None = None) -> None:
        """One more step is taken; see whether it ends the phase.

        Where looking at the loss waits for a device, first-order steps do so every tenth time.

        Args:
            loss: the total loss of the step.
            stalled: whether the optimiser found no smaller one.
            device: of the run, by which processes agree; by default that of the loss.
        """
        now = time.monotonic()
        self.step, self.seconds, self.clock = self.step + 1, self.seconds + now - self.clock, now
        phase, value = self.current, math.nan
        looks = stalled or reads_are_free(loss.device) or phase.has_one_loss
        looks = looks or (self.step - self.start) % LOOK == 0
        if looks and (phase.loss is not None or phase.patience is not None):
            value = float(loss)
        if looks and (phase.seconds is not None or not math.isnan(value)):
            self.seconds, value = agreed_numbers([self.seconds, value], device or loss.device)
        if value < (1 - FALL) * self.lowest:
            self.lowest, self.fell = value, self.step
        self.end(*next(self.reasons(value, stalled, looks), ("", "")))

    def reasons(self, loss: float, stalled: bool, looks: bool) -> Iterator[tuple[str, str]]:
        """What ends the phase with this step, and in words; seconds and loss if one looks."""
        phase = self.current
        if phase.loss is not None and loss < phase.loss:
            yield "loss", f"loss {loss:.1e} below {phase.loss:g}"
        if stalled:
            yield "stalled", "no step makes the loss smaller"
        if looks and phase.patience is not None and self.step - self.fell >= phase.patience:
            yield "patience", f"the loss has not fallen by {FALL:.0%} in {phase.patience} steps"
        if looks and phase.seconds is not None and self.seconds >= phase.seconds:
            yield "seconds", f"{self.seconds:.1f} s, all of its {phase.seconds:g} s"
        if phase.steps is not None and self.step - self.start >= phase.steps:
            yield "steps", "all of its steps are taken"

    @property
    def is_judged(self) -> bool:
        """Whether the phase ends by an error, and this is a step at which one is taken."""
        trainer = self.trainer
        if trainer is None or trainer.state.fn != "fit" or self.current.error is None:
            return False
        return validates(trainer)

    def judge(self, error: float, device: torch.device) -> None:
        """See whether the error of a validation ends the phase."""
        (error,) = agreed_numbers([error], device)
        if (goal := self.current.error) is not None and error < goal:
            self.end("error", f"error {error:.1e} below {goal:g}")

    def end(self, cause: str, reason: str) -> None:
        """Note and say, once, why the phase is over."""
        if reason and not self.ended:
            self.ended, self.cause = reason, cause
            steps, label = self.step - self.start, f"phase {self.phase + 1}"
            taken = f"{steps} step{'s' if steps != 1 else ''}"
            say(f"{label:<9} {self.current.optimizer} ended after {taken}: {reason}")
            self.bound()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: getattr(self, name) for name in KEPT}

    def restore(self, contents: Mapping[str, Any]) -> None:
        """Be where a checkpoint was written.

        Raises:
            CheckpointError: there are fewer phases, or it does not say.
        """
        saved = saved_schedule(contents)
        for name, count in (("phase", len(self.phases)), ("stage", len(self.stages))):
            if saved[name] >= count:
                raise CheckpointError(
                    f"the checkpoint is in {name} {saved[name] + 1}, the run has {count}"
                )
        for name in KEPT:
            setattr(self, name, saved[name])
        self.reopen(contents)
        self.bound()

    def reopen(self, contents: Mapping[str, Any]) -> None:
        """Go on with a phase that was over, where what ended it has been put farther away."""
        if not self.ended or self.cause == "stalled" or "phases" not in contents:
            return
        before = contents["phases"][self.phase][self.cause]
        now = getattr(self.current, self.cause)
        targets = self.cause in ("error", "loss")
        if now is None or (now < before if targets else now > before):
            self.ended = self.cause = ""


def saved_schedule(contents: Mapping[str, Any]) -> dict[str, Any]:
    """The schedule in the `pinn` entry of a checkpoint.

    Raises:
        CheckpointError: an earlier version wrote it.
    """
    if "course" not in contents:
        raise CheckpointError(
            "the checkpoint is of an earlier version: start from its weights with --init_from"
        )
    return contents["course"]
