"""The LightningModule: glue between physics, points and optimisers."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pinn.assessment.scores import Scores, assess, largest_error
from pinn.base.console import say
from pinn.base.messages import echo, one_of
from pinn.base.processes import averaged
from pinn.base.recipe import spec_of
from pinn.checkpoints.file import revive_estimates
from pinn.checkpoints.migrations import FORMAT
from pinn.checkpoints.revival import class_names, network_specs
from pinn.checkpoints.states import buffers
from pinn.choosing.choice import NAMES, Choice
from pinn.derivatives.evaluate import StrategyName
from pinn.geometry import Points
from pinn.networks import Stack
from pinn.objective.chunks import InsufficientMemoryError
from pinn.objective.compilation import Compilation, Compile, choose_compilation
from pinn.objective.least_squares import LeastSquares
from pinn.objective.local_least_squares import system_of
from pinn.objective.losses import checked_weights
from pinn.objective.nonfinite import explained
from pinn.objective.objective import Objective
from pinn.optim import LevenbergMarquardt, Phase
from pinn.physics.estimates import Estimate
from pinn.physics.problem import Problem
from pinn.physics.references import Reference
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.conclusion import Conclusion, concluded
from pinn.training.covariance import estimates
from pinn.training.equation_scale import weighed
from pinn.training.first_round import chosen, phases_of
from pinn.training.judge import Judge
from pinn.training.kept_rounds import state
from pinn.training.loss_weights import Balance, Method
from pinn.training.phased import PhasedModule
from pinn.training.rounds import Rounds
from pinn.training.schedule import Schedule
from pinn.training.stopwatch import Stopwatch
from pinn.training.strategies import choose_strategies


class Solver(PhasedModule):
    """Minimise  Σ_k λ_k · mean |r_k|²  over the weights of the networks, phase by phase.

    Args:
        problem: the equations.
        network: one for all unknowns, or one per unknown; a list has the layers of one.
        phases: the optimisers, in order; by default see `optim.usual_phases`.
        weights: λ_k by residual name; 1 where not given.
        derivatives: how they are computed: `auto` (measured), `rule`, `taylor`, `vmap`, `loop`.
        compile: whether steps run as a compiled graph; `auto` does what ends the run first.
        memory: GiB that an evaluation may take; the points are cut into pieces that fit.
        weighting: what multiplies the weights as training goes on, see `balance.Balance`.
        reference: a file of values that errors are measured against, or a mapping with `file`, and
            `columns`, `source` or `missing`; by default what the problem knows.
        accuracy: in place of a network, phases and points: the largest relative L2 error of an
            unknown that is wanted, by the solution's own estimate. Patches are refined by the
            residual until it is reached, see `rounds`.

    Raises:
        ValueError: no phases, an unknown strategy, or a weight that cannot be.
    """

    def __init__(
        self,
        problem: Problem,
        network: nn.Module | list[nn.Module] | dict[str, nn.Module] | None = None,
        phases: list[Phase] | None = None,
        weights: dict[str, float] | None = None,
        derivatives: StrategyName = "auto",
        compile: Compile = "auto",
        memory: float | None = None,
        weighting: Method = "fixed",
        reference: Any = None,
        accuracy: float | None = None,
    ) -> None:
        super().__init__()
        one_of("strategy", derivatives, NAMES)
        if compile not in (True, False, "auto"):
            raise ValueError(f"compile is {echo(compile)}: expected true, false or auto")
        if memory is not None and not 0 < memory < torch.inf:
            raise ValueError(f"memory is {memory}: expected a positive number of GiB")
        network = chosen(problem, network, accuracy, phases, weighting)
        self.solution = Solution(problem, Stack(network) if isinstance(network, list) else network)
        self.judge = Judge(self.solution, reference)
        self.reference: Reference | None = self.judge.reference(0)
        judged = self.reference is not None or len(problem.stages) > 1  # perhaps in another stage
        self.schedule = Schedule(phases_of(self.solution, phases, accuracy), judged, problem.stages)
        self.derivatives, self.compile_mode = derivatives, compile
        self.choices, self.plans = dict[str, Choice](), plan_regions(self.solution)
        rounds = partial(Rounds, self.solution, memory=memory, plans=self.plans)
        self.rounds = None if accuracy is None else rounds(accuracy)
        self.free = {n for n, p in self.solution.named_parameters() if p.requires_grad}
        self.system: LeastSquares | None = None
        self.objective = Objective(self.solution, self.plans, memory=memory, tell=say)
        given = weighed(self.objective, weights, accuracy)
        self.balance = Balance(weighting, checked_weights(problem, given))
        self.compilation: Compilation | None = None
        self.collocation: Collocation
        self.terms = dict[str, Tensor]()
        self.loss: Tensor | None = None  # the total that the last step has led to
        self.scores, self.conclusion = dict[str, float](), Conclusion()  # of the end
        self.drawn, self.watch = dict[str, Points](), Stopwatch()  # the points of the last step

    @property
    def problem(self) -> Problem:
        """The problem being solved."""
        return self.solution.problem

    def attach(self, collocation: Collocation) -> None:
        """Settle where the points come from."""
        if self.rounds is not None:
            collocation.place(self.rounds.points)
        collocation.check(self.problem, self.plans)
        self.collocation = collocation
        collocation.error = lambda region, points: self.objective.error(
            region, points, self.balance.weights
        )

    def setup(self, stage: str) -> None:
        """Check the run as a whole."""
        super().setup(stage)
        self.attach(self.trainer.datamodule)  # type: ignore[attr-defined]
        self.collocation.check_processes(self.trainer.world_size)
        if stage == "fit":
            self.schedule.attach(self.trainer)
            self.enter_stage()
            self.release()
            self.describe()  # so that what a checkpoint could not hold is known before the steps
        self.to(self.schedule.precision(self.solution))

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of the phase that the run is in."""
        optimizer = self.schedule.current.build(self.objective.parameters())
        self.system = None
        if isinstance(optimizer, LevenbergMarquardt):
            record = self.compile_mode is not False
            self.system = optimizer.system = system_of(self.objective, record)
        return optimizer

    def on_fit_start(self) -> None:
        """Settle strategy and mode; a resumed run brings its own."""
        self.settle()
        if self.compilation is None or self.compile_mode != "auto":
            like = next(self.parameters())
            points = self.collocation.draw(self.problem, 0, self.global_rank, like)
            run = partial(self.objective.gradient, points, self.balance.weights)
            self.compilation = choose_compilation(
                self.objective, run, self.schedule.lasts, self.compile_mode
            )
        self.objective.mode = self.compilation.name

    def on_train_start(self) -> None:
        """Start the clock; a resumed run may stand where a validation ended its phase."""
        self.schedule.wait()
        self.watch = Stopwatch()
        if self.schedule.is_judged:
            self.scores = self.assess()
            self.on_validation_end()

    def on_validation_end(self) -> None:
        """See whether the error ends the phase."""
        if self.schedule.is_judged:
            error = largest_error(self.scores, self.problem)
            self.schedule.judge(error, next(self.parameters()).device)

    def on_validation_start(self) -> None:
        """Settle the strategy for a run that only validates; this is no time of training."""
        self.settle()
        self.watch.stop()

    def settle(self) -> None:
        """Choose a strategy per network, once."""
        self.choices = self.choices or self.choose_strategies()
        self.solution.strategy = {name: c.strategy for name, c in self.choices.items()}

    def choose_strategies(self) -> dict[str, Choice]:
        """The strategy of each network, judged on the region that needs most derivatives."""
        points = self.collocation.draw(self.problem, 0, 0, next(self.parameters()))
        # A Jacobian needs the fused pass wherever that is exact, whichever is the fastest.
        system = self.balance.method == "ntk" or any(p.solves_system for p in self.schedule.phases)
        strategy = "rule" if system and self.derivatives == "auto" else self.derivatives
        return choose_strategies(self.solution, self.plans, points, strategy)

    def on_train_epoch_end(self) -> None:
        """The last step is taken; callbacks may draw and save yet."""
        self.watch.stop()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Σ_k λ_k L_k at this step's points; an L-BFGS step calls it many times on the same."""
        like, now, schedule = next(self.parameters()), self.global_step, self.schedule
        points = self.drawn = self.collocation.draw(self.problem, now, self.global_rank, like)
        one_loss = schedule.current.has_one_loss
        weights = self.balance.follow(self.objective, points, now, schedule.start, one_loss)
        if self.system is not None:
            self.system.place(points, weights)
        known = None if self.system is None else self.system.losses()
        total, self.terms = self.objective.loss(points, weights, self.system is None, known)
        total = averaged(total)
        self.terms["total"] = total.detach()
        return total

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step, and see whether it ends the phase, before anyone saves or shows it."""
        with explained(self.solution, self.plans, lambda: self.drawn):
            try:
                super().optimizer_step(*args, **kwargs)
            except InsufficientMemoryError:
                if self.retreat():
                    return
                raise
        optimizer, self.loss = self.trainer.optimizers[0], self.terms["total"]
        if isinstance(optimizer, LevenbergMarquardt):  # which knows where the step has led to
            self.loss = torch.tensor(optimizer.loss, dtype=self.loss.dtype)
        device = self.terms["total"].device
        stalled = self.rounds is None and getattr(optimizer, "stalled", False)
        self.schedule.advance(self.loss, stalled, device)
        self.end_round(optimizer)
        self.publish("loss/", self.terms)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Errors, residuals and divergence at points that training does not draw."""
        self.scores = self.assess()
        self.publish("", self.scores)
        self.publish("coefficient/", self.problem.coefficients())

    def assess(self) -> Scores:
        """All scores now."""
        points = self.collocation.draw_held_out(self.problem, next(self.parameters()))
        known = self.plans, self.balance.weights, self.terms
        return assess(self.solution, self.reference, points, *known)

    def conclude(self) -> None:
        """Estimate the error of the last weights, and see whether they are a solution at all."""
        if self.rounds is None and self.terms and self.loss is not None:
            points = self.collocation.draw_held_out(self.problem, next(self.parameters()))
            known = self.plans, self.balance.weights, points, float(self.loss), self.scores
            self.conclusion = concluded(self.solution, *known, self.watch.seconds)
            self.scores |= self.conclusion.scores

    def estimate(self) -> dict[str, Estimate]:
        """The coefficients with their intervals; without a step, those of the checkpoint."""
        if self.terms:
            self.solution.estimates = estimates(self.system)
        return self.solution.estimates

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Everything needed to rebuild the run, in plain types."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["pinn"] = self.describe() | {
            "course": self.schedule.state(),
            "dtype": str(next(self.parameters()).dtype).removeprefix("torch."),
            "strategy": {name: vars(choice) for name, choice in self.choices.items()},
            "mode": None if self.compilation is None else vars(self.compilation),
            "scores": dict(self.scores),
            "classes": class_names(self.solution),
            "buffers": buffers(self),
            **self.judge.state(),
            "rounds": None if self.rounds is None else state(self.rounds),
            "estimates": {name: vars(estimate) for name, estimate in self.estimate().items()},
            "weighting_state": self.balance.state(),
        }

    def describe(self) -> dict[str, Any]:
        """What was asked for: problem, networks, phases, weights and points as plain data."""
        return {
            "format": FORMAT,
            "problem": spec_of(self.problem),
            "network": network_specs(self.solution),
            "phases": [vars(phase) for phase in self.schedule.phases],
            "weights": dict(self.balance.given),
            "weighting": self.balance.method,
            "data": self.collocation.settings(),
            "accuracy": None if self.rounds is None else self.rounds.tolerance,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Be in the saved phase and precision before weights and optimiser arrive."""
        saved = checkpoint["pinn"]
        self.restore_rounds(saved)
        self.schedule.restore(saved)
        self.judge.restore(saved.get("reference"))
        self.reference = self.judge.given or self.reference
        self.release()  # before DistributedDataParallel looks for what is trained
        self.enter_stage()
        self.to(getattr(torch, saved["dtype"]))
        self.choices = {name: Choice(**choice) for name, choice in saved["strategy"].items()}
        self.compilation = Compilation(**saved["mode"]) if saved.get("mode") else None
        self.scores = dict(saved["scores"])
        self.solution.estimates = revive_estimates(saved)
        self.balance.restore(saved.get("weighting_state", {}))
