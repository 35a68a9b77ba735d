"""Phases: one run is a list of optimisers, each in its own precision until something ends it."""

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pinn.base.messages import echo, near_miss, whole
from pinn.optim.levenberg_marquardt import LevenbergMarquardt
from pinn.optim.named import begun, optimizer_class, shortest
from pinn.solution.solution import Solution

# What a least-squares residual wants from torch's L-BFGS; each can be set in `options`.
LBFGS: dict[str, Any] = {
    "lr": 1.0,
    "max_iter": 20,
    "history_size": 100,
    "line_search_fn": "strong_wolfe",
    "tolerance_grad": 0.0,
    "tolerance_change": 0.0,
}
CHOICES = {
    "schedule": ("constant", "cosine"),
    "dtype": ("float32", "float64"),
    "train": ("all", "output"),
}


@dataclass
class Phase:
    """One optimiser, until its budget is spent or its target reached, whichever comes first.

    The budget is `steps` or `seconds` or both; `error`, `loss` and `patience` are targets, and
    LevenbergMarquardt also ends where no step makes the loss smaller.

    Args:
        steps: at most so many steps; one L-BFGS step is up to `max_iter` (20) iterations.
        optimizer: LevenbergMarquardt; the name of a class in `torch.optim`, such as Adam or
            LBFGS; or the dotted path of any other, such as `schedulefree.AdamWScheduleFree`.
        lr: learning rate; the optimiser's own default if not given.
        schedule: `constant`, or `cosine`:  lr(s) = lr (1 + cos(π s / steps)) / 2.
        dtype: precision of weights and points; by default float64 for LevenbergMarquardt and
            LBFGS, float32 for the others.
        train: `all` weights, or those of the `output` layer alone (and a problem's coefficients),
            in which a linear equation is a linear problem.
        options: further arguments of the optimiser.
        seconds: at most so long, validations included; a step that has begun is ended.
        error: end when the largest error of a validation is below, pressure and whatever else is
            known up to a constant left out (`error/<component>`, relative L2).
        loss: end when the total loss is below, weights included.
        patience: end when the loss has not fallen by 1 % in so many steps. On a GPU `loss`,
            `patience` and `seconds` of a first-order phase are looked at every tenth step.

    Raises:
        ValueError: no budget, unknown optimiser or option, or a number out of range.
    """

    steps: int | None = None
    optimizer: str = "Adam"
    lr: float | None = None
    schedule: Literal["constant", "cosine"] = "constant"
    dtype: Literal["float32", "float64"] | None = None
    train: Literal["all", "output"] = "all"
    options: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    error: float | None = None
    loss: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        self.optimizer = shortest(self.optimizer)
        if self.dtype is None:
            self.dtype = "float64" if self.has_one_loss else "float32"
        for name in ("steps", "patience"):
            if (count := getattr(self, name)) is not None:
                whole(f"phase {self.optimizer}: {name}", count, most=10**12)
        if mistake := next(self.mistakes(), ""):
            raise ValueError(f"phase {self.optimizer}: {mistake}")

    def mistakes(self) -> Iterator[str]:
        """What is wrong with the settings, and what to do."""
        if self.steps is None and self.seconds is None:
            yield "it has no budget: give it steps or seconds, such as steps: 1000"
        for name in ("lr", "seconds", "error", "loss"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                yield f"{name} is {value}, expected a positive number"
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                yield f"{name} is {echo(value)}: {near_miss(value, choices)}"
        if self.schedule == "cosine" and self.steps is None:
            yield "schedule is cosine, which runs over its steps: give steps, or schedule constant"
        if self.dtype == "float32" and self.solves_system:
            yield "dtype is float32, which has too few digits for JᵀJ: use float64"
        if self.lr is not None and "lr" in self.options:
            yield f"lr is given twice, {self.lr} and in options {self.options['lr']}: remove one"
        known = tuple(self.parameters())[2:]
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in self.parameters().values()):
            return
        if self.lr is not None and "lr" not in known:
            yield f"lr is {self.lr}, but it has none: remove it"
        for option in self.options:
            if option not in known:
                yield f"it has no option {echo(option)}: {near_miss(option, known)}"

    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """What the optimiser can be given, by name."""
        return inspect.signature(self.optimizer_class().__init__).parameters

    def optimizer_class(self) -> type[Optimizer]:
        """The optimiser's class."""
        return optimizer_class(self.optimizer)

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """The optimiser over these parameters.

        Raises:
            ValueError: it does not take these options or parameters.
        """
        try:
            return self.made(parameters, self.options)
        except (TypeError, ValueError) as error:
            given = self.defaults | self.options
            raise ValueError(f"{self.optimizer} refuses its options {given}: {error}") from error

    @property
    def defaults(self) -> dict[str, Any]:
        """The options that this package gives the optimiser, with the learning rate."""
        given = {} if self.lr is None else {"lr": self.lr}
        return (LBFGS if self.optimizer == "LBFGS" else {}) | given

    def made(self, parameters: Iterable[nn.Parameter], options: dict[str, Any]) -> Optimizer:
        """The optimiser with other options than those of the phase."""
        return begun(self.optimizer_class()(list(parameters), **(self.defaults | options)))

    def rehearse(self) -> None:
        """Take one step on a parabola: many wrong values show only in a step.

        LevenbergMarquardt, which steps through residuals alone, checks its values when it is made.

        Raises:
            ValueError: the optimiser cannot do it; the line names the option that is to blame.
        """
        try:
            self.minimise_parabola(self.options)
        except Exception as error:
            raise ValueError(f"{self.blame(error)}: {error}") from error

    def blame(self, error: Exception) -> str:
        """The option which alone has the same effect, if there is one."""
        parameters = self.parameters()
        for option, value in self.options.items():
            try:
                self.minimise_parabola({option: value})
            except Exception as alone:
                if str(alone) == str(error):
                    if option not in parameters:
                        return f"option {option} is {echo(value)}"
                    default = self.defaults.get(option, parameters[option].default)
                    return f"option {option} is {echo(value)}, where the default is {echo(default)}"
        return "it cannot train a network"

    def minimise_parabola(self, options: dict[str, Any]) -> None:
        """One step of  min |w|²  with these options; whatever the optimiser raises, passes."""
        weight = nn.Parameter(torch.ones(2, 2, dtype=self.torch_dtype))
        made = self.made([weight], options)
        if not self.solves_system:
            descend(made, [weight])

    def begun_with(self, weights: list[nn.Parameter]) -> Optimizer:
        """The optimiser as it is after its first step, so that its state has all its entries."""
        few = {"max_iter": 2, "history_size": 2} if self.optimizer == "LBFGS" else {}
        made = self.made(weights, self.options | few)
        if isinstance(made, LevenbergMarquardt):
            made.past.update(steps=1)  # a step would need as many residuals as weights
        else:
            descend(made, weights)
        if self.optimizer == "LBFGS":
            made.state[weights[0]].pop("al", None)  # room to work in, which a first iteration lacks
        return made

    def factor(self, step: int) -> float:
        """lr(step) / lr for a step counted from the phase's beginning."""
        if self.schedule == "constant" or self.steps is None:
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
        """How many evaluations of loss and gradient a step takes; a line search adds a quarter."""
        if self.solves_system:
            return 0.0
        if not issubclass(self.optimizer_class(), torch.optim.LBFGS):
            return 1.0
        return 1.25 * self.options.get("max_iter", LBFGS["max_iter"])

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision as torch knows it."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def __str__(self) -> str:
        ends = [f"{self.steps} steps"] if self.steps is not None else []
        ends += [f"{self.seconds:g} s"] if self.seconds is not None else []
        ends += [f"error {self.error:g}"] if self.error is not None else []
        ends += [f"loss {self.loss:g}"] if self.loss is not None else []
        ends += [f"{self.patience} steps without progress"] if self.patience is not None else []
        return f"{self.optimizer} {' or '.join(ends)} {self.dtype}"


def descend(optimizer: Optimizer, weights: list[nn.Parameter]) -> None:
    """One step of  min Σ |w|²."""

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.stack([weight.square().sum() for weight in weights]).sum()
        loss.backward()
        return loss.detach()

    optimizer.step(closure)  # type: ignore[arg-type]  # a tensor, as torch itself passes on


FEW = 5000  # parameters that every point sees: more take seconds for a step, and gigabytes


def usual_phases(solution: Solution) -> list[Phase]:
    """Least squares as long as that is affordable, else Adam and L-BFGS."""
    sizes = {n: p.numel() for n, p in solution.named_parameters() if p.requires_grad}
    networks = [*solution.networks.values()]
    if all(getattr(network, "is_drawn", False) for network in networks):
        outer = solution.outer_parameters()
        few = sum(size for name, size in sizes.items() if name in outer) <= FEW
        if few or all(getattr(network, "is_local", False) for network in networks):
            return [Phase(50, "LevenbergMarquardt", train="output", patience=5)]
    if sum(sizes.values()) <= FEW:
        return [Phase(200, "LevenbergMarquardt", patience=10)]
    return [Phase(2000, lr=5e-3, schedule="cosine"), Phase(200, "LBFGS")]
