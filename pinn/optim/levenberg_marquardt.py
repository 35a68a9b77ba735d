"""Levenberg–Marquardt: nonlinear least squares by damped linear models.

    min ½|r(θ)|²:   (JᵀJ + damping D) δ = −Jᵀr,   D = max(diag JᵀJ, mean diag JᵀJ)

J. J. Moré, The Levenberg–Marquardt algorithm, 1978, doi:10.1007/BFb0067700.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pinn.base.processes import agreed, processes, total
from pinn.base.transfers import reads_are_free
from pinn.optim.block_budget import BlockBudget
from pinn.optim.budget import Budget, allowance
from pinn.optim.condensation import Condensed, condensed
from pinn.optim.linear_model import LinearModel, Minimum, least_damping
from pinn.optim.structure import structure_of
from pinn.optim.system import System

TRIALS = 15  # of one step; the damping then has grown by 2¹⁺²⁺···⁺¹⁴, from LEAST to far above 1
APART = 0.1  # h, of a second derivative along δ
START = {"gain": math.nan, "stalled": False, "steps": 0, "trials": 0, "room": 0.0, "loss": math.nan}
LEAST, MOST = 1e-30, 1e15  # about ε² and 1/ε: beyond, the damping or J is rounding


class LevenbergMarquardt(Optimizer):
    """Levenberg–Marquardt in float64: for some thousand parameters, or for 100,000 of which each
    residual sees a few blocks.

    `system` has to be set to what owns the residuals before the first step. The damping follows
    from the ratio of the actual to the predicted decrease; a step that no damping makes smaller
    leaves the parameters as they were, bit for bit, and sets `stalled`.

    Args:
        params: θ, one group in float64.
        damping: of the first step, in units of the diagonal of JᵀJ.
        memory: GiB that matrices may take; by default half of what is available.

    Raises:
        ValueError: another precision, more than one group, or a number out of range.
    """

    system: System | None = None
    room: Budget | BlockBudget | None = None
    model: LinearModel | None = None  # of the last step, where it is kept
    keeps_model = False
    condenses = False  # whether the unknowns are those that the equations of a patch leave

    def __init__(
        self, params: Iterable[Tensor], damping: float = 1e-3, memory: float | None = None
    ) -> None:
        if not 0 < damping < math.inf:
            raise ValueError(f"damping is {damping}, expected a positive number")
        if memory is not None and not 0 < memory < math.inf:
            raise ValueError(f"memory is {memory} GiB, expected a positive number or none")
        # Schedules ask for lr; the damping alone decides on the length of a step.
        super().__init__(params, {"lr": 1.0, "damping": damping, "memory": memory})
        if len(self.param_groups) > 1:
            raise ValueError("LevenbergMarquardt takes one group of parameters, not several")
        self.check_precision()

    @property
    def parameters(self) -> list[Tensor]:
        """θ, in order."""
        return self.param_groups[0]["params"]

    @property
    def past(self) -> dict[str, Any]:
        """What a step passes on to the next; kept with the first parameter, as torch expects it."""
        state = self.state[self.parameters[0]]
        if not state:
            state.update(START, damping=self.param_groups[0]["damping"])
        return state

    @property
    def damping(self) -> float:
        """That of the next step's first trial."""
        return self.past["damping"]

    @property
    def least_damping(self) -> float:
        """The least that takes a Cholesky factor, also of a next step with somewhat more unknowns.

        Zero before the first step.
        """
        dtype = self.parameters[0].dtype
        return 0.0 if self.room is None else 2 * least_damping(self.room, dtype)

    @property
    def stalled(self) -> bool:
        """Whether the last step found no smaller loss."""
        return self.past["stalled"]

    @property
    def loss(self) -> float:
        """|r|² after the last step."""
        return self.past["loss"]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go to a smaller |r(θ + δ)|², if there is one.

        Returns:
            What the closure returns, else |r|² before the step.

        Raises:
            RuntimeError: nobody has set `system`.
            ValueError: the parameters are not in float64.
            FloatingPointError: r or J is not finite.
            pinn.chunks.InsufficientMemoryError: the matrices do not fit into the memory.
        """
        with torch.enable_grad():
            value = None if closure is None else closure()
        self.check_precision()
        r = self.owner.residuals()
        square = total_square(r)
        if reads_are_free(r.device):
            check_finite(float(square))
        here = torch.cat([p.reshape(-1) for p in self.parameters])
        self.model = None  # its memory is free before there is another
        system = condensed(self.owner) if self.condenses else self.owner
        room = self.budget(system, here, total_count(r))
        model = LinearModel(system, here, room, len(r))
        loss = self.search(model, here, r, square)
        self.model = model if self.keeps_model else None
        return loss if closure is None else value

    def budget(self, system: System | Condensed, here: Tensor, count: int) -> Budget | BlockBudget:
        """The memory, asked for once: what others take later does not change the steps."""
        room, structure = self.room, structure_of(system, len(here))
        known = None if room is None else (room.parameters, room.residuals, room.structure)
        unknowns = len(here) if structure is None else sum(structure.sizes)
        if room is None or known != (unknowns, count, structure):
            given = self.given(here.device)
            if structure is None:
                room = Budget(len(here), count, given, is_local=hasattr(system, "sizes"))
            else:
                held = system.held if isinstance(system, Condensed) else 0
                room = BlockBudget(structure, count, given - held)
            self.room = room
        return room

    def given(self, device: torch.device) -> float:
        """The bytes that may be taken."""
        if self.room is None:
            memory, before = self.param_groups[0]["memory"], self.past.get("room", 0.0)
            self.past["room"] = allowance(device, memory, before)
        return self.past["room"]

    def search(self, model: LinearModel, here: Tensor, r: Tensor, square: Tensor) -> float:
        """Raise the damping until the loss |r|² decreases, and return what it was before."""
        past = self.past
        damping, growth = past["damping"], 2.0
        past["steps"] += 1
        for _ in range(TRIALS):
            past["trials"] += 1
            for least in model.minima(damping):
                loss, there, predicted, exists = self.trial(model, least, here, r, square)
                if there < loss:  # false for what is not a number, and where there is no δ
                    gain = (loss - there) / predicted
                    damping = changed(damping, gain)
                    past.update(damping=damping, gain=gain, stalled=False, loss=there)
                    return loss
                self.move(here)
                if exists:
                    break
            damping, growth = min(damping * growth, MOST), 2 * growth
        past.update(gain=0.0, stalled=True, loss=loss)
        return loss

    def trial(
        self, model: LinearModel, least: Minimum, here: Tensor, r: Tensor, square: Tensor
    ) -> tuple[float, float, float, bool]:
        """Go to θ + δ; all of it is evaluated before Python reads anything, and that once.

        Returns:
            |r|² before and there, the decrease that was predicted, and whether there is a δ.

        Raises:
            FloatingPointError: r or J is not finite; nothing has moved.
        """
        delta = least.delta
        if model.bends:
            # ∂²r/∂δ² = 2/h ((r(θ + hδ) − r)/h − Jδ)
            change = self.change(here, APART * model.expanded(delta), r)
            delta = model.bent(delta, 2 / APART**2 * change, -2 / APART)
        self.move(here + model.expanded(delta))
        there = total_square(self.owner.residuals())
        facts = torch.cat([torch.stack([square, there]), least.facts]).tolist()
        loss, after, predicted, exists, is_finite = facts
        if not (math.isfinite(loss) and is_finite):
            self.move(here)
            check_finite(loss)
            raise FloatingPointError(
                "the Jacobian of the residuals, or the square of an entry, is not finite: "
                "scale the equation, or the coefficient that it is so steep in"
            )
        return loss, after, predicted, bool(exists)

    def change(self, here: Tensor, step: Tensor, r: Tensor) -> Tensor:
        """r(θ + δ) − r (M,)."""
        self.move(here + step)
        there = self.owner.residuals()
        self.move(here)
        return there - r

    @torch.no_grad()
    def move(self, values: Tensor) -> None:
        """Set θ."""
        at = 0
        for p in self.parameters:
            p.copy_(values[at : at + p.numel()].view_as(p))
            at += p.numel()

    @property
    def owner(self) -> System:
        """What owns the residuals."""
        if self.system is None:
            raise RuntimeError("LevenbergMarquardt has no residuals: set its `system` first")
        return self.system

    def check_precision(self) -> None:
        """Refuse what is not float64.

        Raises:
            ValueError: a parameter has another precision.
        """
        for p in self.parameters:
            if p.dtype != torch.float64:
                raise ValueError(
                    f"LevenbergMarquardt needs parameters in float64, not in {p.dtype}: "
                    "set dtype: float64 in its phase"
                )


def total_square(r: Tensor) -> Tensor:
    """|r|² of all processes, which nobody has read."""
    return agreed(total(r @ r))


def total_count(r: Tensor) -> int:
    """The number of residuals M of all processes; several of them have to be asked."""
    return len(r) if processes() == 1 else int(agreed(total(r.new_full((), len(r)))))


def check_finite(loss: float) -> None:
    """Refuse residuals that are not finite."""
    if not math.isfinite(loss):
        raise FloatingPointError(f"|r|² is {loss} before a step: the residuals are not finite")


def changed(damping: float, gain: float) -> float:
    """The damping after a step: damping · max(⅓, 1 − (2 gain − 1)³), and far less at gain = 1.

    H. B. Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05, 1999. Where the linear
    model is as good as exact, only a vanishing damping keeps the quadratic convergence.
    """
    factor = 0.01 if abs(gain - 1) < 0.02 else max(1 / 3, 1 - (2 * gain - 1) ** 3)
    return min(max(damping * factor, LEAST), MOST)
