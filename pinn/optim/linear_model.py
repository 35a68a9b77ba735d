"""The linear model of the residuals at one θ, and its damped minimum.

    min ½|r + Jδ|² + ½ damping δᵀDδ,   D = max(diag JᵀJ, mean diag JᵀJ)

D makes the damping a number without unit (D. W. Marquardt, 1963, doi:10.1137/0111030).
"""

from functools import cached_property

import torch
from torch import Tensor

from pinn.base.processes import agreed, stacked
from pinn.optim.budget import Budget
from pinn.optim.factor import Factor, Reflectors
from pinn.optim.gram import Gram, Kernel
from pinn.optim.system import JacobianRows, System

# D^-½ JᵀJ D^-½ is known to ε P; a Cholesky factor is used while the damping is so much larger.
SAFETY = 10.0
Form = Gram | Kernel | Factor | Reflectors
BEND = 0.75  # |a|/|δ| up to which a step is a parabola


class LinearModel:
    """r + Jδ of all processes; the same δ on each of them.

    Args:
        system: the residuals, at one θ while the model is asked.
        like: a tensor of the parameters' precision and device.
        budget: the memory, and with it the size.
        count: the residuals of this process.
    """

    def __init__(self, system: System, like: Tensor, budget: Budget, count: int) -> None:
        self.like, self.budget = like, budget
        self.rows = JacobianRows(system, like, budget.parameters, count, budget.rows)
        self.form: Form | None = None

    def solve(self, damping: float) -> tuple[Tensor, float] | None:
        """δ, and the decrease of |r|² to expect; None if the damping is too small for rounding.

        Raises:
            FloatingPointError: J is not finite.
        """
        size, exact = self.budget.parameters, self.budget.has_room_for_factor
        if damping > SAFETY * torch.finfo(self.like.dtype).eps * size or not exact:
            step = self.solution(self.squared, damping)
            if step is not None or not exact:
                return step
        return self.solution(self.orthogonal, damping)

    def solution(self, form: Form, damping: float) -> tuple[Tensor, float] | None:
        """The first process's solution; None if there is none that is finite."""
        if not bool(form.scale.isfinite().all()):
            raise FloatingPointError("the Jacobian of the residuals is not finite")
        self.form, step = form, form.solve(damping)
        packed = self.like.new_full((self.budget.parameters + 1,), torch.nan)
        if step is not None:
            packed[:-1], packed[-1] = step
        agreed(packed)
        return (packed[:-1], float(packed[-1])) if bool(packed.isfinite().all()) else None

    @property
    def bends(self) -> bool:
        """Whether the last solution can be bent; J's smallest singular values forbid a square."""
        return isinstance(self.form, Gram | Kernel)

    def bent(self, delta: Tensor, curvature: Tensor) -> Tensor:
        """δ + a/2:   (JᵀJ + damping D) a = −Jᵀ (∂²r/∂δ²), if |a| is well below |δ|.

        M. K. Transtrum and J. P. Sethna, 2012, arXiv:1201.5885.
        """
        assert isinstance(self.form, Gram | Kernel)
        second = self.form.again(curvature)
        lengths = [float((t / self.form.scale).norm()) for t in (second, delta)]
        step = delta + second / 2 if lengths[0] <= BEND * lengths[1] else delta.clone()
        return agreed(step)

    @cached_property
    def squared(self) -> Gram | Kernel:
        """JᵀJ or JJᵀ, whichever is smaller."""
        return Kernel(self.whole) if self.budget.wide else Gram(self.rows)

    @cached_property
    def orthogonal(self) -> Factor | Reflectors:
        """The QR factors of J or of Jᵀ, whichever is smaller."""
        return Reflectors(self.whole) if self.budget.wide else Factor(self.rows)

    @cached_property
    def whole(self) -> Tensor:
        """[J r] of all processes, for M < P."""
        return stacked(self.rows.whole())
