"""The LightningModule: glue between physics, points and optimisers."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pinn.assessment.scores import Scores, assess
from pinn.checkpoint import FORMAT, CheckpointError, network_specs, revive_estimates
from pinn.choice import Choice, check_name, choose
from pinn.console import say
from pinn.covariance import estimates
from pinn.data import Collocation
from pinn.derivatives import StrategyName
from pinn.estimate import Estimate
from pinn.independence import check_independence
from pinn.lean import LeanModule
from pinn.least_squares import LeastSquares
from pinn.losses import checked_weights
from pinn.mode import Compile, Mode, choose_mode
from pinn.networks import Network
from pinn.optim import LevenbergMarquardt, Phase
from pinn.optim.phase import evaluations, refuse_for_one_loss, starts
from pinn.problem import Problem
from pinn.reads import plan_regions
from pinn.references import Reference
from pinn.solution import Solution
from pinn.spec import spec_of
from pinn.step import Step

SURE = 2.0  # the fused pass is given up for one twice as fast: a run repeats itself bit by bit


class Solver(LeanModule):
    """Minimise  Σ_k λ_k · mean |r_k|²  over the weights of the networks, phase by phase.

    Args:
        problem: the equations.
        network: one network for all unknowns, or one per unknown.
        phases: the optimisers, in order.
        weights: λ_k by residual name; 1 where not given.
        strategy: how derivatives are computed: `auto` (measured), `rule`, `taylor`, `vmap` or
            `loop`.
        compile: whether steps run as a compiled graph; `auto` does what ends the run first.
        memory: GiB that an evaluation may take; the points are cut into pieces that fit.

    Raises:
        ValueError: no phases, a weight for a residual that does not exist or out of range, or an
            unknown strategy.
    """

    def __init__(
        self,
        problem: Problem,
        network: Network | dict[str, Network],
        phases: list[Phase],
        weights: dict[str, float] | None = None,
        strategy: StrategyName = "auto",
        compile: Compile = "auto",
        memory: float | None = None,
    ) -> None:
        super().__init__()
        check_name(strategy)
        if compile not in (True, False, "auto"):
            raise ValueError(f"compile is {compile!r}: expected true, false or auto")
        if memory is not None and not 0 < memory < torch.inf:
            raise ValueError(f"memory is {memory}: expected a positive number of GiB")
        self.solution = Solution(problem, network)
        self.phases = [p if isinstance(p, Phase) else Phase(**p) for p in phases]
        if not self.phases:
            raise ValueError(
                "phases is empty: give at least one, such as {optimizer: Adam, steps: 1000}"
            )
        self.weights = checked_weights(problem, weights or {})
        self.strategy = strategy
        self.compile_mode = compile
        self.choices: dict[str, Choice] = {}
        self.plans = plan_regions(self.solution)
        self.free = {n for n, p in self.solution.named_parameters() if p.requires_grad}
        self.system: LeastSquares | None = None
        self.step = Step(self.solution, self.plans, self.weights, memory=memory, tell=say)
        self.mode: Mode | None = None
        self.phase = 0
        self.reference: Reference | None = problem.reference()
        self.collocation: Collocation
        self.terms: dict[str, Tensor] = {}
        self.scores: Scores = {}

    @property
    def problem(self) -> Problem:
        """The problem being solved."""
        return self.solution.problem

    @property
    def total_steps(self) -> int:
        """The steps of all phases together."""
        return starts(self.phases)[-1]

    def attach(self, collocation: Collocation) -> None:
        """Settle where the points come from."""
        collocation.check(self.problem)
        self.collocation = collocation

    def setup(self, stage: str) -> None:
        """Check the run as a whole, and bound it by the phases' steps."""
        super().setup(stage)
        self.attach(self.trainer.datamodule)  # type: ignore[attr-defined]
        self.collocation.check_processes(self.trainer.world_size)
        self.to(self.phases[self.phase].torch_dtype)
        if stage != "fit":
            return
        self.release()
        self.describe()  # what a checkpoint could not hold is better known before the first step
        refuse_for_one_loss(self.phases, self.trainer)
        loop = self.trainer.fit_loop
        loop.max_epochs = -1
        if loop.epoch_loop.max_steps == -1:
            loop.epoch_loop.max_steps = self.total_steps

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of the phase that the run is in."""
        self.release()
        optimizer = self.phases[self.phase].build(self.step.parameters())
        self.system = None
        if isinstance(optimizer, LevenbergMarquardt):
            share = 1 / self.trainer.world_size
            self.system = LeastSquares(self.solution, self.plans, self.weights, share, say)
            optimizer.system = self.system
        return optimizer

    def release(self) -> bool:
        """Let the phase train what it is to train; whether that changed anything."""
        before = [p.requires_grad for p in self.solution.parameters()]
        trained = self.free
        if self.phases[self.phase].train == "output":
            trained = trained & self.solution.outer_parameters()
        for name, parameter in self.solution.named_parameters():
            parameter.requires_grad_(name in trained)
        return before != [p.requires_grad for p in self.solution.parameters()]

    def on_fit_start(self) -> None:
        """Settle strategy and mode; a resumed run brings its own."""
        self.settle()
        if self.mode is None or self.compile_mode != "auto":
            points = self.collocation.draw(
                self.problem, self.global_step, self.global_rank, next(self.parameters())
            )
            self.mode = choose_mode(self.step, points, self.evaluations, self.compile_mode)
        self.step.mode = self.mode.name

    def on_validation_start(self) -> None:
        """Settle the strategy for a run that only validates."""
        self.settle()

    def settle(self) -> None:
        """Choose a strategy per network, once."""
        if not self.choices:
            self.choices = self.choose_strategies()
        self.solution.strategy = {name: c.strategy for name, c in self.choices.items()}

    @property
    def evaluations(self) -> float:
        """How many evaluations of the loss are still to come, at most."""
        last = self.trainer.max_steps if self.trainer.max_steps > 0 else self.total_steps
        return evaluations(self.phases, self.global_step, last)

    def choose_strategies(self) -> dict[str, Choice]:
        """The strategy of each network, judged on the region that needs most derivatives."""
        like = next(self.parameters())
        points = self.collocation.draw(self.problem, self.global_step, 0, like)
        choices = {}
        for name, network in self.solution.networks.items():
            demand = {r: plan.networks[name] for r, plan in self.plans.items()}
            region = max(demand, key=lambda r: len(demand[r].channels))
            at = points[region].at
            check_independence(network, at)
            # A Jacobian needs the fused pass wherever that is exact, whichever is the fastest.
            system = any(phase.solves_system for phase in self.phases)
            strategy = "rule" if system and self.strategy == "auto" else self.strategy
            choices[name] = choose(network, at, demand[region], strategy, tie=SURE)
        return choices

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Enter the next phase when its step has come, and set the learning rate."""
        begins = starts(self.phases)
        if self.phase + 1 < len(self.phases) and self.global_step >= begins[self.phase + 1]:
            self.enter(self.phase + 1)
        phase = self.phases[self.phase]
        for group in self.trainer.optimizers[0].param_groups:
            base = group.setdefault("initial_lr", group["lr"])
            group["lr"] = base * phase.factor(self.global_step - begins[self.phase])

    def enter(self, phase: int) -> None:
        """Begin a phase: its precision, its optimiser."""
        self.phase = phase
        strategy = self.trainer.strategy
        recast = self.phases[phase].torch_dtype != next(self.parameters()).dtype
        self.to(self.phases[phase].torch_dtype)
        recast |= self.release()
        if recast and hasattr(strategy, "configure_ddp"):
            # DistributedDataParallel has buckets for the old precision and the old parameters.
            strategy.model = self
            strategy.configure_ddp()
        strategy.optimizers = [self.configure_optimizers()]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Σ_k λ_k L_k at this step's points; an L-BFGS step calls it many times on the same."""
        like = next(self.parameters())
        points = self.collocation.draw(self.problem, self.global_step, self.global_rank, like)
        if self.system is not None:
            self.system.place(points)
        total, terms = self.step(points)
        self.terms = terms
        if self.trainer.world_size > 1:
            total = self.synchronised(total)
        self.terms["total"] = total.detach()
        return total

    def synchronised(self, loss: Tensor) -> Tensor:
        """The same loss on every process, as a line search needs, with this one's gradient."""
        mean = loss.detach().clone()
        torch.distributed.all_reduce(mean)
        return loss + (mean / self.trainer.world_size - loss.detach())

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Errors, residuals and divergence at points that training does not draw."""
        self.scores = self.assess()

    def assess(self) -> Scores:
        """All scores now."""
        points = self.collocation.draw_held_out(self.problem, next(self.parameters()))
        return assess(self.solution, self.reference, points, self.plans)

    def estimate(self) -> dict[str, Estimate]:
        """The coefficients with their intervals; without a step, those of the checkpoint."""
        if self.terms:
            self.solution.estimates = estimates(self.system)
        return self.solution.estimates

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Everything needed to rebuild the run, in plain types."""
        # The step is complete, though the loop counts it only after the hook that saves here;
        # without this a resumed run would validate one step late.
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for count in (progress["total"], progress["current"]):
            count["completed"] = count["processed"]
        checkpoint["pinn"] = self.describe() | {
            "phase": self.phase,
            "dtype": str(next(self.parameters()).dtype).removeprefix("torch."),
            "strategy": {name: vars(choice) for name, choice in self.choices.items()},
            "mode": None if self.mode is None else vars(self.mode),
            "scores": dict(self.scores),
            "estimates": {name: vars(found) for name, found in self.estimate().items()},
        }

    def describe(self) -> dict[str, Any]:
        """What was asked for: problem, networks, phases, weights and points as plain data."""
        data = self.collocation
        names = ("points", "method", "resample", "held_out", "seed")
        return {
            "format": FORMAT,
            "problem": spec_of(self.problem),
            "network": network_specs(self.solution),
            "phases": [vars(phase) for phase in self.phases],
            "weights": dict(self.weights),
            "data": {name: getattr(data, name) for name in names},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Be in the saved phase and precision before weights and optimiser arrive."""
        saved = checkpoint["pinn"]
        if saved["phase"] >= len(self.phases):
            raise CheckpointError(
                f"the checkpoint is in phase {saved['phase'] + 1}, the run has {len(self.phases)}"
            )
        self.phase = saved["phase"]
        self.to(getattr(torch, saved["dtype"]))
        self.choices = {name: Choice(**choice) for name, choice in saved["strategy"].items()}
        self.mode = Mode(**saved["mode"]) if saved.get("mode") else None
        self.scores = dict(saved["scores"])
        self.solution.estimates = revive_estimates(saved)
