"""The memory that dense least squares takes, and how much of it there is."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pinn.base.costs import free_memory
from pinn.base.processes import agreed, processes
from pinn.objective.chunks import InsufficientMemoryError

SHARE = 0.5  # of what is available
BYTES = 8  # float64
PIECE = 256  # rows of a small piece
MARGIN = 10  # of nearly dependent features, whose last digits an orthogonal factor finds


@dataclass(frozen=True)
class Budget:
    """What may be held of a system of M residuals in P parameters.

    Args:
        parameters: P.
        residuals: M, of all processes.
        given: bytes.
        is_local: whether the unknowns are the coefficients of one patch.

    Raises:
        InsufficientMemoryError: not even the smallest square matrix fits.
    """

    parameters: int
    residuals: int
    given: float
    is_local: bool = False
    structure: ClassVar[None] = None  # one block

    def __post_init__(self) -> None:
        if self.least > self.given:
            raise InsufficientMemoryError(
                f"LevenbergMarquardt needs {self.least / 1e9:.3g} GB for {self.parameters} "
                f"parameters and {self.residuals} residuals, and has {self.given / 1e9:.3g} GB: "
                "take a smaller network or fewer points, or the optimizer Adam or LBFGS"
            )

    @property
    def rounding(self) -> float:
        """Of a Cholesky factor, in units of ε:  P, if all numbers of a column add up; tenfold.

        Of the coefficients of one patch √P, see `BlockBudget`.
        """
        return self.parameters**0.5 if self.is_local else MARGIN * self.parameters

    @property
    def wide(self) -> bool:
        """Whether the residuals are the smaller space, so that all of J is held."""
        return self.residuals < self.parameters

    @property
    def least(self) -> int:
        """Bytes of the Gram matrix, its damped copy and its factor, with the rows at hand."""
        P, M = self.parameters + 1, self.residuals
        return BYTES * (2 * P * M + 3 * M * M if self.wide else 3 * P * P + min(M, PIECE) * P)

    @property
    def square(self) -> int:
        """Numbers in R, in what is put below it, and in their copies."""
        return 2 * max(processes(), 3) * (self.parameters + 1) ** 2

    @property
    def has_room_for_factor(self) -> bool:
        """Whether J may be factored by QR."""
        P, M = self.parameters + 1, self.residuals
        needed = 4 * P * M + 6 * M * M if self.wide else self.square + 3 * min(M, PIECE) * P
        return needed * BYTES <= self.given

    @property
    def rows(self) -> int:
        """How many rows of [J r] may be held at a time, with room to factor them."""
        P, M, numbers = self.parameters + 1, self.residuals, self.given / BYTES
        if self.wide or numbers >= 2 * M * P + self.square:
            return M
        return max(min(int((numbers - self.square) / (3 * P)), M - 1), min(M, PIECE))


def allowance(device: torch.device, memory: float | None, before: float = 0.0) -> float:
    """Bytes that may be taken, by default half of the memory that is available.

    Args:
        device: where it is held.
        memory: GiB that it may take.
        before: bytes that the run had before it was resumed, if it was: it has them again where
            they are there, since the blocks of J decide on the last bits.
    """
    there = free_memory(device)
    given = before if 0 < before <= there else there * SHARE
    given = given if memory is None else memory * 2**30
    same = agreed(torch.tensor([given], dtype=torch.float64, device=device))
    return float(same)
