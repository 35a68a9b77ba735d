"""Phases, stages and rounds of a run: when one begins, and what then changes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pinn.assessment.scores import Scores
from pinn.base.console import say
from pinn.objective.least_squares import LeastSquares
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.objective import Objective
from pinn.physics.references import Reference
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.judge import Judge
from pinn.training.kept_rounds import restore
from pinn.training.lightning_adapter import LeanModule, replace_optimizer
from pinn.training.loss_weights import Balance
from pinn.training.outcome import FULL
from pinn.training.rounds import Rounds
from pinn.training.schedule import Schedule
from pinn.training.stopwatch import Stopwatch
from pinn.training.verdict import reason


class PhasedModule(LeanModule):
    """What goes on in phases, and may refine its networks in rounds.

    Attributes:
        rounds: None for a run whose networks stay as they are.
    """

    rounds: Rounds | None
    schedule: Schedule
    solution: Solution
    objective: Objective
    judge: Judge
    reference: Reference | None
    scores: Scores
    free: set[str]
    watch: Stopwatch
    collocation: Collocation
    balance: Balance
    system: LeastSquares | None
    terms: dict[str, Any]
    loss: Tensor | None

    @property
    def is_local(self) -> bool:
        """Whether steps solve the system of patches, which is evaluated as Python."""
        return isinstance(self.system, LocalLeastSquares)

    def begin_round(self) -> None:
        """Go on with finer patches, where a round is over and another follows."""
        if self.rounds is None or self.rounds.next is None:
            return
        self.rounds.enter()
        self.collocation.place(self.rounds.points)
        self.release()
        before: Any = self.trainer.optimizers[0]
        replace_optimizer(self.trainer, self.configure_optimizers, True)
        after: Any = self.trainer.optimizers[0]
        after.past.update({name: before.past[name] for name in ("steps", "trials")})

    def end_round(self, optimizer: Any) -> None:
        """Once a round is solved: say what it has come to, and see whether it was the last one."""
        if self.rounds is None or not isinstance(self.system, LocalLeastSquares):
            return
        if not self.rounds.is_solved(optimizer, float(self.terms["total"])):
            return
        if self.rounds.ease(self.system, optimizer):
            return
        say(self.rounds.end(self.system, optimizer).line)
        if self.rounds.next is None:
            self.schedule.end("accuracy", reason(self.rounds))

    def retreat(self) -> bool:
        """End at the best round, where the next one does not fit into the memory after all."""
        if self.rounds is None or not self.rounds.outcomes:
            return False
        self.rounds.best.restore(self.rounds.networks)
        last = self.rounds.outcomes[-1]
        last.decision, self.loss = FULL, torch.tensor(last.loss, dtype=torch.float64)
        self.collocation.place(self.rounds.points)
        self.training_step(None, 0)  # the residuals at the points of this round
        self.schedule.advance(self.loss, False, self.loss.device)
        self.schedule.end("accuracy", FULL)
        return True

    def restore_rounds(self, saved: Mapping[str, Any]) -> None:
        """Be in the round of a checkpoint."""
        if self.rounds is not None and saved.get("rounds") is not None:
            restore(self.rounds, saved["rounds"])
            self.collocation.place(self.rounds.points)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Enter the next phase when one is over, and set the learning rate; may be repeated."""
        self.watch.start()
        schedule = self.schedule
        if schedule.ended and not schedule.is_done:
            schedule.begin()
            if schedule.phase == 0:
                self.enter_stage()
            new, old = schedule.precision(self.solution), next(self.parameters()).dtype
            self.to(new)
            replace_optimizer(self.trainer, self.configure_optimizers, self.release() or new != old)
        self.begin_round()
        if self.rounds is not None:
            optimizer: Any = self.trainer.optimizers[0]
            optimizer.keeps_model = optimizer.condenses = True
        for group in self.trainer.optimizers[0].param_groups:
            base = group.setdefault("initial_lr", group["lr"])
            group["lr"] = base * schedule.current.factor(self.global_step - schedule.start)

    def release(self) -> bool:
        """Let the phase train what it is to train; whether that changed anything."""
        outer = self.schedule.current.train == "output"
        trained = self.free & self.solution.outer_parameters() if outer else self.free
        before = {n for n, p in self.solution.named_parameters() if p.requires_grad}
        for name, parameter in self.solution.named_parameters():
            parameter.requires_grad_(name in trained)
        return before != trained

    def enter_stage(self) -> None:
        """Give the problem the coefficients of the stage, and be judged by its reference."""
        if len(self.schedule.stages) > 1:
            self.solution.problem.enter(self.schedule.stage)
            self.reference, self.scores = self.judge.reference(self.schedule.stage), {}
            self.objective.recorder.recordings.clear()  # those of other coefficients

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of the phase that the run is in."""
        raise NotImplementedError
