"""Phases: one run is a list of optimisers, each for so many steps in its own precision."""

import inspect
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pinn.geometry.coordinates import near_miss
from pinn.optim.levenberg_marquardt import LevenbergMarquardt

if TYPE_CHECKING:
    import lightning as L

# What a least-squares residual wants from torch's L-BFGS; each can be set in `options`.
DEFAULTS: dict[str, dict[str, Any]] = {
    "LBFGS": {
        "lr": 1.0,
        "max_iter": 20,
        "history_size": 100,
        "line_search_fn": "strong_wolfe",
        "tolerance_grad": 0.0,
        "tolerance_change": 0.0,
    },
}


OWN: dict[str, type[Optimizer]] = {"LevenbergMarquardt": LevenbergMarquardt}


class Parabola:
    """r = w,  J = 1."""

    def __init__(self, weight: nn.Parameter) -> None:
        self.weight = weight

    def residuals(self) -> Tensor:
        """r."""
        return self.weight.detach().reshape(-1).clone()

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """J and r, all at once."""
        rows = self.residuals()
        yield torch.eye(len(rows), dtype=rows.dtype), rows


@dataclass
class Phase:
    """One optimiser for a number of steps.

    Args:
        steps: optimiser steps; one L-BFGS step is up to `max_iter` (20) iterations.
        optimizer: LevenbergMarquardt, or the name of a class in `torch.optim`, such as Adam or
            LBFGS.
        lr: learning rate; the optimiser's own default if not given.
        schedule: `constant`, or `cosine`:  lr(s) = lr (1 + cos(π s / steps)) / 2.
        dtype: precision of weights and points; by default float64 for LevenbergMarquardt and
            LBFGS, float32 for the others.
        train: `all` weights, or those of the `output` layer alone (and a problem's coefficients),
            in which a linear equation is a linear problem.
        options: further arguments of the optimiser.

    Raises:
        ValueError: unknown optimiser or option, or a number out of range.
    """

    steps: int
    optimizer: str = "Adam"
    lr: float | None = None
    schedule: Literal["constant", "cosine"] = "constant"
    dtype: Literal["float32", "float64"] | None = None
    train: Literal["all", "output"] = "all"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"phase {self.optimizer}: steps is {self.steps}, expected at least 1")
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise ValueError(f"phase {self.optimizer}: lr is {self.lr}, expected a positive number")
        if self.schedule not in ("constant", "cosine"):
            hint = near_miss(self.schedule, ("constant", "cosine"))
            raise ValueError(f"unknown schedule {self.schedule!r}: {hint}")
        if self.dtype is None:
            self.dtype = "float64" if self.has_one_loss else "float32"
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"phase dtype {self.dtype!r} is not float32 or float64")
        if self.dtype == "float32" and self.solves_system:
            raise ValueError(
                f"phase {self.optimizer}: dtype is float32, which has too few digits for JᵀJ: "
                "use float64"
            )
        if self.train not in ("all", "output"):
            raise ValueError(
                f"phase {self.optimizer}: train is {self.train!r}: expected all or output"
            )
        if self.lr is not None and "lr" in self.options:
            raise ValueError(
                f"phase {self.optimizer}: lr is given twice, {self.lr} as its key and "
                f"{self.options['lr']} in options: remove one"
            )
        known = tuple(inspect.signature(self.optimizer_class().__init__).parameters)[2:]
        if self.lr is not None and "lr" not in known:
            raise ValueError(f"phase {self.optimizer}: lr is {self.lr}, but it has none: remove it")
        for option in self.options:
            if option not in known:
                hint = near_miss(option, known)
                raise ValueError(f"{self.optimizer} has no option {option!r}: {hint}")

    def optimizer_class(self) -> type[Optimizer]:
        """The optimiser's class."""
        if self.optimizer in OWN:
            return OWN[self.optimizer]
        found = getattr(torch.optim, str(self.optimizer), None)
        if not (isinstance(found, type) and issubclass(found, Optimizer)) or found is Optimizer:
            known = [n for n, c in vars(torch.optim).items() if isinstance(c, type)]
            known = [*OWN, *(n for n in known if n != "Optimizer")]
            raise ValueError(
                f"unknown optimizer {self.optimizer!r}: {near_miss(self.optimizer, known)}"
            )
        return found

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """The optimiser over these parameters.

        Raises:
            ValueError: it does not take these options or parameters.
        """
        options = {**DEFAULTS.get(self.optimizer, {}), **self.options}
        if self.lr is not None:
            options["lr"] = self.lr
        try:
            return self.optimizer_class()(list(parameters), **options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.optimizer} refuses its options {options}: {error}") from error

    def rehearse(self) -> None:
        """Take one step on a parabola: many a wrong value is noticed only then.

        Raises:
            ValueError: the optimiser cannot do it; the line names the option that is to blame.
        """
        try:
            self.minimise_parabola(self.options)
        except Exception as error:
            raise ValueError(f"{self.blame(error)}: {error}") from error

    def blame(self, error: Exception) -> str:
        """The option which alone has the same effect, if there is one."""
        parameters = inspect.signature(self.optimizer_class().__init__).parameters
        for option, value in self.options.items():
            try:
                self.minimise_parabola({option: value})
            except Exception as alone:
                if str(alone) == str(error):
                    default = DEFAULTS.get(self.optimizer, {}).get(
                        option, parameters[option].default
                    )
                    return f"option {option} is {value!r}, where the default is {default!r}"
        return "it cannot train a network"

    def minimise_parabola(self, options: dict[str, Any]) -> None:
        """One step of  min |w|²  with these options; whatever the optimiser raises, passes."""
        weight = nn.Parameter(torch.ones(2, 2, dtype=self.torch_dtype))
        lr = {} if self.lr is None else {"lr": self.lr}
        made = self.optimizer_class()(
            [weight], **{**DEFAULTS.get(self.optimizer, {}), **lr, **options}
        )

        def closure() -> Tensor:
            made.zero_grad()
            loss = weight.square().sum()
            loss.backward()
            return loss.detach()

        if isinstance(made, LevenbergMarquardt):
            made.system = Parabola(weight)
        made.step(closure)  # type: ignore[arg-type]  # a tensor, as torch itself passes on

    def factor(self, step: int) -> float:
        """lr(step) / lr for a step counted from the phase's beginning."""
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1.0)))

    @property
    def has_one_loss(self) -> bool:
        """Whether a step evaluates the loss several times and needs one fixed loss function."""
        return issubclass(self.optimizer_class(), (torch.optim.LBFGS, LevenbergMarquardt))

    @property
    def solves_system(self) -> bool:
        """Whether a step needs the residuals themselves and their Jacobian."""
        return issubclass(self.optimizer_class(), LevenbergMarquardt)

    @property
    def evaluations(self) -> float:
        """How many evaluations of the loss the phase may take; a line search adds a quarter."""
        if not issubclass(self.optimizer_class(), torch.optim.LBFGS):
            return self.steps
        most = self.options.get("max_iter", DEFAULTS[self.optimizer]["max_iter"])
        return 1.25 * self.steps * most

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision as torch knows it."""
        return torch.float64 if self.dtype == "float64" else torch.float32


def starts(phases: Sequence[Phase]) -> list[int]:
    """The step at which each phase begins, and the total number of steps last."""
    ends = [0]
    for phase in phases:
        ends.append(ends[-1] + phase.steps)
    return ends


def evaluations(phases: Sequence[Phase], first: int, last: int) -> float:
    """How many evaluations of the loss the steps from `first` to `last` may take."""
    found = 0.0
    for (start, end), phase in zip(pairwise(starts(phases)), phases, strict=True):
        steps = max(0, min(end, last) - max(start, first))
        found += phase.evaluations * steps / (end - start)
    return found


def refuse_for_one_loss(phases: Sequence[Phase], trainer: "L.Trainer") -> None:
    """Settings that change the loss or its gradient between the evaluations of one step.

    Raises:
        ValueError: gradient clipping or accumulation with a second-order optimiser, or a
            precision that the phases do not know of.
    """
    if trainer.precision not in ("32-true", 32, "32"):
        raise ValueError(
            f"trainer.precision is {trainer.precision!r}: set dtype in the phases instead"
        )
    name = next((phase.optimizer for phase in phases if phase.has_one_loss), None)
    if name is None:
        return
    if trainer.gradient_clip_val is not None:
        raise ValueError(
            f"trainer.gradient_clip_val does not go with {name}, which needs the true gradient: "
            "remove one of them"
        )
    if trainer.accumulate_grad_batches != 1:
        raise ValueError(
            f"trainer.accumulate_grad_batches does not go with {name}: remove one of them"
        )
