"""The linear model of the residuals at one θ, and its damped minimum.

    min ½|r + Jδ|² + ½ damping δᵀDδ,   D = max(diag JᵀJ, mean diag JᵀJ)

D makes the damping a number without unit (D. W. Marquardt, 1963, doi:10.1137/0111030).
"""

import math
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.base.processes import agreed, stacked
from pinn.optim.block_budget import BlockBudget
from pinn.optim.block_factor import BlockFactor
from pinn.optim.block_gram import BlockGram
from pinn.optim.budget import Budget
from pinn.optim.condensation import Condensed
from pinn.optim.factor import Factor, Reflectors
from pinn.optim.gram import Gram, Kernel
from pinn.optim.grouped_rows import GroupedRows
from pinn.optim.system import JacobianRows, System

SAFETY = 1.0  # of a Cholesky factor: used while the damping is so many times its rounding
Squared = Gram | Kernel | BlockGram
Form = Squared | Factor | Reflectors | BlockFactor
BEND = 0.75  # |a|/|δ| up to which a step is a parabola


class Minimum(NamedTuple):
    """A damped minimum.

    Args:
        delta: δ (P,), of zeros where the damping is too small for rounding; of a condensed system
            the step of its unknowns, see `expanded`.
        facts: the decrease of |r|² to expect; 1 if there is such a δ, else 0; 1 if J and its
            squares are finite.
    """

    delta: Tensor
    facts: Tensor


def least_damping(budget: Budget | BlockBudget, dtype: torch.dtype) -> float:
    """The damping down to which a Cholesky factor is used."""
    return SAFETY * torch.finfo(dtype).eps * budget.rounding


class LinearModel:
    """r + Jδ of all processes; the same δ on each of them.

    Args:
        system: the residuals, at one θ while the model is asked.
        like: a tensor of the parameters' precision and device.
        budget: the memory, and with it the size.
        count: the residuals of this process.
    """

    def __init__(
        self, system: System | Condensed, like: Tensor, budget: Budget | BlockBudget, count: int
    ) -> None:
        self.like, self.budget, self.system = like, budget, system
        self.rows: JacobianRows | GroupedRows
        if isinstance(budget, BlockBudget):
            self.rows = GroupedRows(system, like, budget.structure, budget.keeps)
        else:
            assert not isinstance(system, Condensed)  # which has several blocks
            self.rows = JacobianRows(system, like, budget.parameters, count, budget.rows)
        self.form: Form | None = None  # of the last minimum, which has the factor
        self.damping = math.nan  # of the same

    def minima(self, damping: float) -> Iterator[Minimum]:
        """The fast one, then where that does not exist an exact one, made when it is asked for."""
        exact = self.budget.has_room_for_factor
        if damping >= least_damping(self.budget, self.like.dtype) or not exact:
            yield self.minimum(self.squared, damping)
        if exact:
            yield self.minimum(self.orthogonal, damping)

    def minimum(self, form: Form, damping: float) -> Minimum:
        """The first process's solution, and nothing read of it."""
        self.form, self.damping = form, damping
        delta, decrease = form.solve(damping)
        packed = agreed(torch.cat([delta, decrease[None]]))
        exists = packed.isfinite().all()
        # An infinite square in J makes D infinite, and D^-½ zero, which is a finite number.
        is_finite = (form.scale.isfinite() & (form.scale > 0)).all()
        facts = torch.stack([packed[-1], exists.to(packed), is_finite.to(packed)])
        return Minimum(torch.where(exists, packed[:-1], 0.0), facts)

    @property
    def unknowns(self) -> int:
        """The length of a step before it is expanded."""
        return self.budget.parameters

    def expanded(self, step: Tensor) -> Tensor:
        """The step of θ (P,) that a step of the unknowns stands for."""
        return self.system.expanded(step) if isinstance(self.system, Condensed) else step

    @property
    def bends(self) -> bool:
        """Whether the last solution can be bent; J's smallest singular values forbid a square."""
        return isinstance(self.form, Squared)

    def bent(self, delta: Tensor, change: Tensor, times: float) -> Tensor:
        """δ + a/2:   (JᵀJ + damping D) a = −Jᵀ (∂²r/∂δ²), if |a| is well below |δ|.

        M. K. Transtrum and J. P. Sethna, 2012, arXiv:1201.5885.

        Args:
            delta: δ.
            change: c of this process.
            times: s of  ∂²r/∂δ² = c + s Jδ.
        """
        assert isinstance(self.form, Squared)
        second = self.form.after(change[:, None], times * delta[:, None])[:, 0]
        added, length = ((t / self.form.scale).norm() for t in (second, delta))
        return agreed(torch.where(added <= BEND * length, delta + second / 2, delta))

    @cached_property
    def squared(self) -> Squared:
        """JᵀJ or JJᵀ, whichever is smaller; of blocks JᵀJ."""
        if isinstance(self.rows, GroupedRows):
            return BlockGram(self.rows)
        return Kernel(self.whole) if self.is_wide else Gram(self.rows)

    @cached_property
    def orthogonal(self) -> Factor | Reflectors | BlockFactor:
        """The QR factors of J or of Jᵀ, whichever is smaller; of blocks those of J."""
        if isinstance(self.rows, GroupedRows):
            return BlockFactor(self.rows)
        return Reflectors(self.whole) if self.is_wide else Factor(self.rows)

    @property
    def is_wide(self) -> bool:
        """Whether the residuals are the smaller space."""
        return isinstance(self.budget, Budget) and self.budget.wide

    @cached_property
    def whole(self) -> Tensor:
        """[J r] of all processes, for M < P."""
        assert isinstance(self.rows, JacobianRows)
        return stacked(self.rows.whole())
