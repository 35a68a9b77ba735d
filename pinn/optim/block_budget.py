"""The memory that sparse least squares takes, counted before anything is computed."""

from dataclasses import dataclass

from pinn.base.processes import processes
from pinn.objective.chunks import InsufficientMemoryError
from pinn.optim.budget import BYTES
from pinn.optim.structure import Structure


@dataclass(frozen=True)
class BlockBudget:
    """What may be held of a system of which each residual sees a few blocks of θ.

    Args:
        structure: who sees whom.
        residuals: M, of all processes.
        given: bytes.

    Raises:
        InsufficientMemoryError: JᵀJ and its Cholesky factor do not fit.
    """

    structure: Structure
    residuals: int
    given: float

    def __post_init__(self) -> None:
        if self.least > self.given:
            raise InsufficientMemoryError(
                f"LevenbergMarquardt needs {self.least / 1e9:.3g} GB for {self.parameters} "
                f"parameters in {len(self.structure.sizes)} blocks and {self.residuals} residuals, "
                f"and has {self.given / 1e9:.3g} GB: take fewer or smaller patches, or the "
                "optimizer Adam or LBFGS"
            )

    @property
    def parameters(self) -> int:
        """P."""
        return sum(self.structure.sizes)

    @property
    def rounding(self) -> float:
        """Of a Cholesky factor, in units of ε:  √n of the n numbers of its longest column.

        Roundings of both signs add up so. The bound n is 50 times larger for 10,000 features on
        patches, and between the two the orthogonal factor takes five times as long for the same
        decrease to half a percent. With a tenfold margin, damping would hold back directions that
        decide on the solution.
        """
        tree = self.structure.tree
        return max(sum(tree.shape(front)) for front in tree.fronts) ** 0.5

    @property
    def least(self) -> int:
        """Bytes of JᵀJ, its factor and the fronts, with the rows of one group."""
        tree = self.structure.tree
        numbers = self.structure.numbers + tree.numbers + tree.working
        return BYTES * (numbers + 2 * self.structure.widest + 4 * self.parameters)

    @property
    def held(self) -> int:
        """Bytes of the same and of all rows."""
        return self.least + BYTES * self.structure.held

    @property
    def keeps(self) -> bool:
        """Whether the rows of J may be kept."""
        return self.held <= self.given

    @property
    def has_room_for_factor(self) -> bool:
        """Whether J may be factored by QR, while JᵀJ and its factor are there too."""
        numbers = self.structure.orthogonal
        if processes() > 1:  # each has the rows of all
            numbers += sum(n * self.structure.width(s) for s, n in self.structure.counts.items())
        return self.held + BYTES * numbers <= self.given
