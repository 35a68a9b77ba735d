"""What a run is about to do, printed once before the first step, and what broke it off."""

from collections.abc import Iterator
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, Timer

from pinn.base.console import Activity, say
from pinn.callbacks.deadline import OVER, Deadline
from pinn.checkpoints.revival import notes
from pinn.solution.missing_conditions import missing_conditions
from pinn.solution.plans import unread_parameters
from pinn.solution.solution import Solution
from pinn.training.loss_weights import PERIOD
from pinn.training.outcome import in_words
from pinn.training.solver import Solver


class Announcement(L.Callback):
    """Problem, networks, derivative plan, strategy and phases, one line each; then what takes long.

    It comes first among the callbacks: what it announces begins with the next one's hook.
    """

    def __init__(self) -> None:
        self.prepared: set[tuple[int, bool, str | None]] = set()
        self.checking = Activity("checking the solution")
        self.began = False

    def on_fit_start(self, trainer: L.Trainer, solver: Any) -> None:
        """A new run tries out strategies, and perhaps how a step runs fastest."""
        self.prepared.clear()
        self.began = False
        if not solver.choices:
            say("choosing how to differentiate …")

    def on_train_batch_start(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """The first step of a kind may take long."""
        phase = solver.schedule.current
        kind = solver.schedule.stage, phase.solves_system, phase.dtype
        if kind not in self.prepared and (line := preparation(solver)):
            say(line)
        self.prepared.add(kind)

    def on_validation_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Errors and residuals at many points."""
        self.checking.__enter__()

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """They are known."""
        self.checking.__exit__()

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Print it."""
        self.began = True
        for line in announcement(solver, trainer.world_size):
            say(line)
        if trainer.accumulate_grad_batches > 1:
            say(
                f"note      accumulate_grad_batches is {trainer.accumulate_grad_batches}: a step "
                "evaluates the same points that many times, with the same gradient; set points "
                "to have more points in a step"
            )

    def on_fit_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Say so where something else than the phases has ended the run."""
        if reason := early_end(trainer, solver):
            steps = trainer.global_step
            after = f"after {steps} step{'s' if steps != 1 else ''}"
            say(f"run       ended {after if self.began else 'before its first step'}: {reason}")


def early_end(trainer: L.Trainer, solver: Solver) -> str:
    """What ended a run before its phases did; empty where they did."""
    if solver.schedule.is_done:
        return ""
    if not trainer.should_stop:
        return "max_steps are taken"
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Deadline) and callback.over:
            return OVER
        left = callback.time_remaining() if isinstance(callback, Timer) else None
        if left is not None and left <= 0:
            return "the time of Timer is over"
        if isinstance(callback, EarlyStopping) and callback.stopping_reason_message:
            seen = f"EarlyStopping saw {callback.monitor} {stopped(callback)}"
            return f"{seen}; to end only a phase, give it patience, loss or error"
    return "a callback has set trainer.should_stop"


def stopped(callback: EarlyStopping) -> str:
    """What an EarlyStopping saw of its metric."""
    match callback.stopping_reason.name:
        case "PATIENCE_EXHAUSTED":
            worse = "fall" if callback.mode == "min" else "rise"
            return f"not {worse} in {callback.wait_count} validations"
        case "STOPPING_THRESHOLD":
            return f"pass {callback.stopping_threshold:g}"
        case "DIVERGENCE_THRESHOLD":
            return f"pass {callback.divergence_threshold:g}, which is too much"
        case _:
            return "become NaN or infinite"


def preparation(solver: Solver) -> str:
    """What the first step of a kind does before it is taken; empty where that is nothing."""
    mode = "eager" if solver.compilation is None or solver.is_local else solver.compilation.name
    if solver.schedule.current.solves_system and not solver.is_local:
        mode = "eager" if solver.compile_mode is False else "recorded"
    many = f"{len(solver.plans)} region{'s' if len(solver.plans) != 1 else ''}"
    compiling = f"compiling the first step, some 20 s for each of {many} …"
    return {"recorded": "recording the first step …", "compiled": compiling}.get(mode, "")


def remarks(solver: Solver) -> Iterator[str]:
    """What may not be as the user means it, a line each."""
    yield from notes(solver.solution)
    for name in unread_parameters(solver.solution):
        yield (
            f"{name} of the problem reaches no residual and is not trained: float(), .item() and "
            "torch.tensor() cut a parameter off"
        )
    hidden = dict.fromkeys(n for plan in solver.plans.values() for n in plan.hidden)
    strict = [p.optimizer for p in solver.schedule.phases if p.has_one_loss]
    if hidden and strict:
        yield (
            f"{', '.join(hidden)}: a part is held fixed, as by .detach(), so the gradient is not "
            f"that of the loss, and {strict[0]} may stop early: use Adam, or let that part be "
            "trained"
        )
    for name in dict.fromkeys(n for plan in solver.plans.values() for n in plan.energies):
        yield (
            f"{name} is made zero at every point. If it is an energy, whose integral should be "
            "smallest, write the equation of its minimum: laplacian(u) + f for ½|∇u|² - f u, say"
        )


def gauge_lines(solution: Solution) -> Iterator[str]:
    """What was chosen where the equations leave a constant open and the problem says nothing."""
    for constant in solution.chosen_gauges:
        parts = solution.problem.components(constant.unknown)
        shown = ", ".join(parts[k] for k in constant.components)
        known, mean = "a constant", "its mean"
        axes = solution.problem.geometry.coordinates
        if names := [axes.names[i] for i in constant.along if i != axes.time]:
            names += ["time"] if axes.time in constant.along else []
            known, mean = f"a function of {' and '.join(names)}", "its mean at each value of these"
        elif constant.along:
            known, mean = "a function of time", "its mean at each instant"
        yield (
            f"the equations read only derivatives of {shown}, which leaves {known} open: {mean} "
            "is set to zero; set gauges in the problem for another choice"
        )


def announcement(solver: Solver, processes: int) -> list[str]:
    """The lines."""
    problem, names = solver.problem, solver.problem.coordinates
    count = sum(p.numel() for p in solver.parameters() if p.requires_grad)
    first = " at first" if solver.rounds is not None else ""
    many = f"{count} parameters{first}"
    lines = [f"problem   {type(problem).__name__} on {problem.geometry!r}, {many}"]
    for region, plan in solver.plans.items():
        networks = ", ".join(
            p.describe(names) if name == "all" else f"{name}: {p.describe(names)}"
            for name, p in plan.networks.items()
        )
        each = f"{number_of_points(solver, region, processes)}{first}"
        lines.append(f"plan      {region}: {', '.join(plan.reads)} read {networks}; {each}")
    if missing := missing_conditions(solver.solution, solver.plans):
        lines.append(f"boundary  no residual on {', '.join(missing)}")
    lines += [f"gauge     {line}" for line in gauge_lines(solver.solution)]
    for name, choice in solver.choices.items():
        network = "" if name == "all" else f"{name}: "
        lines.append(f"strategy  {network}{choice.line}")
    if solver.compilation is not None and not solver.is_local:
        lines.append(f"steps     {solver.compilation.name}: {solver.compilation.reason}")
    if solver.balance.method != "fixed":
        lines.append(f"weights   by {solver.balance.method}, every {PERIOD} steps")
    if solver.collocation.adapt:
        every = solver.collocation.resample
        lines.append(f"points    where the residual is large, drawn every {every} steps")
    if solver.collocation.refine:
        told = ", ".join(
            f"{size:g} of {part!r}" for part, size in solver.collocation.refine.items()
        )
        lines.append(f"points    half of those of the interior within {told}")
    lines += [f"note      {line}" for line in remarks(solver)]
    schedule = solver.schedule
    stage = [schedule.line] if len(schedule.stages) > 1 else []
    return [*lines, *stage, *phase_lines(solver)]


def number_of_points(solver: Solver, region: str, processes: int) -> str:
    """How many points a region has, and which of them a process has."""
    problem, data = solver.problem, solver.collocation
    if data.placed is not None:
        return f"{len(data.placed(region, False))} points"
    n = len(problem.geometry.sample(region, data.points[region], data.method).at)
    how = "divided over" if data.divides(problem, region) else "on each of"
    how = "of which each is seen by all of" if region in data.seen_whole else how
    return f"{n} points" if processes == 1 else f"{n} points {how} {processes} processes"


def phase_lines(solver: Solver) -> list[str]:
    """What the run goes through: phases, or rounds."""
    phases, rounds = solver.schedule.phases, solver.rounds
    if rounds is None:
        return [f"phases    {', '.join(map(str, phases))}"]
    many = len(rounds.network.layout)
    return [
        f"accuracy  {rounds.tolerance:g}, by the solution's own estimate",
        f"rounds    of least squares on patches, from {many} of {in_words(rounds.degrees)} on; "
        f"at most {phases[0].steps} steps",
    ]
