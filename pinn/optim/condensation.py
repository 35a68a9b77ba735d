"""Least squares in few combinations of the coefficients of each patch: what its equations leave.

    JₖᵀJₖ = D^½ Q S Qᵀ D^½   of the rows of patch k alone
    Vₖ = D^-½ [Q(S ≤ τ² S_max), x],   δ = V a

No other combination solves the equations on the patch, whatever is around it; x is the step that
they ask for there. A patch with F polynomials of degree p in d dimensions has some F d/(p + d)
unknowns in a step, times the order of its equations, as traces on its boundary have. What a step
gives is not the least-squares solution of all coefficients, but as good as that of polynomials up
to three degrees lower.

C. Lehrenfeld and P. Stocker, Embedded Trefftz discontinuous Galerkin methods, 2023,
doi:10.1002/nme.7258.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from pinn.base.processes import agreed, agreed_numbers, gathered
from pinn.objective.alone import Alone
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.optim.gram import local_scale
from pinn.optim.structure import Seen
from pinn.optim.system import GroupedSystem, System

OPEN = 0.05  # τ: singular values beside the largest one, of columns of length 1
BESIDE = 1e-9  # of a least-squares solution: a smaller part outside of what is open is rounding
ROUNDING = 1e-13  # of the largest eigenvalue: what is below is rounding
FIRST, FEW = 0.1, 0.6  # of all vectors: the size of a block at first, and the largest one
MORE = 1.3  # times the vectors of the last patch, or of a block that was too small
GUARDS, NEAR = 8, 0.5  # vectors that look for others; of the threshold, where none is missed
ITERATIONS, POWERS = 2, 20


class Condensed:
    """A system of fewer unknowns: the coefficients of some combinations.

    Args:
        system: the residuals; θ has to stay.
        parts: of each patch the blocks of θ that are combined, and V (Σ their lengths, n).
    """

    def __init__(self, system: GroupedSystem, parts: Sequence[tuple[Seen, Tensor]]) -> None:
        self.system, self.lengths = system, system.sizes()
        self.owners, self.bases = [seen for seen, _ in parts], [basis for _, basis in parts]
        taken = {block for seen in self.owners for block in seen}
        for block, length in enumerate(self.lengths):
            if block not in taken:  # such as coefficients of the problem: as they are
                self.owners.append((block,))
                self.bases.append(torch.eye(length).to(self.bases[0]))
        self.home = {block: n for n, seen in enumerate(self.owners) for block in seen}

    @property
    def length(self) -> int:
        """P."""
        return sum(self.lengths)

    @property
    def held(self) -> int:
        """Bytes of V, and of the rows of one group before they are combined; on all processes."""
        groups = zip(self.system.groups(), self.system.row_counts(), strict=True)
        rows = max(n * sum(self.lengths[block] for block in seen) for seen, n in groups)
        rows = max(gathered(rows))
        basis = self.bases[0]
        return basis.element_size() * (rows + sum(each.numel() for each in self.bases))

    def sizes(self) -> tuple[int, ...]:
        """How many combinations each patch has."""
        return tuple(basis.shape[1] for basis in self.bases)

    def seen(self, blocks: Seen) -> Seen:
        """The numbers of the patches that some blocks of θ belong to."""
        return tuple(sorted({self.home[block] for block in blocks}))

    def groups(self) -> tuple[Seen, ...]:
        """The patches that each group sees."""
        return tuple(map(self.seen, self.system.groups()))

    def row_counts(self) -> tuple[int, ...]:
        """As in the whole system."""
        return self.system.row_counts()

    def grouped(self) -> Iterator[tuple[Seen, Tensor, Tensor]]:
        """Of each group the patches that it sees, J V and r."""
        for blocks, J, r in self.system.grouped():
            columns = dict(zip(blocks, J.split([self.lengths[b] for b in blocks], 1), strict=True))
            seen = self.seen(blocks)
            parts = [self.combined(columns, n) for n in seen]
            yield seen, torch.cat(parts, 1), r

    def combined(self, columns: dict[int, Tensor], number: int) -> Tensor:
        """The columns of a patch times its V; those that are not seen are zero."""
        own = self.rows_of(number)
        return sum(
            (columns[block] @ part for block, part in own if block in columns),
            start=self.bases[number].new_zeros(1, self.bases[number].shape[1]),
        )

    def rows_of(self, number: int) -> Iterator[tuple[int, Tensor]]:
        """The blocks of a patch, with their rows of V."""
        owner = self.owners[number]
        parts = self.bases[number].split([self.lengths[block] for block in owner])
        return zip(owner, parts, strict=True)

    @cached_property
    def starts(self) -> list[int]:
        """Where each block of θ begins."""
        return torch.tensor([0, *self.lengths]).cumsum(0).tolist()

    def expanded(self, step: Tensor) -> Tensor:
        """δ (P,) = V a."""
        delta = step.new_zeros(self.starts[-1])
        for number, own in enumerate(step.split(self.sizes())):
            for block, part in self.rows_of(number):
                delta[self.starts[block] : self.starts[block + 1]] = part @ own
        return delta


def condensed(system: System) -> System | Condensed:
    """The system with the unknowns that the equations of its patches leave, at the θ of a step.

    The system itself where they leave all of them, or are not known for a patch alone.
    """
    if type(system) is not LocalLeastSquares or not (apart := Alone(system)).is_apart:
        return system
    parts, guess = list[tuple[Seen, Tensor]](), 0
    for seen, J, r in apart.by_patch():
        basis = basis_of(J, r, guess)
        guess = math.ceil(MORE * basis.shape[1])
        parts.append((seen, basis))
    return Condensed(system, parts) if parts else system


def basis_of(J: Tensor, r: Tensor, guess: int) -> Tensor:
    """V (n, k + 1) of the first process from the rows of a patch alone: J (m, n) and r (m,).

    Args:
        J: of its equations.
        r: of the same.
        guess: of k; 0 for none.
    """
    basis = own_basis(J, r, guess)
    (k,) = agreed_numbers([basis.shape[1]], basis.device)  # rounding may decide otherwise elsewhere
    return agreed(basis if k == basis.shape[1] else basis.new_zeros(len(basis), int(k)))


def own_basis(J: Tensor, r: Tensor, guess: int) -> Tensor:
    """The same of this process."""
    scale = local_scale(J.square().sum(0), [J.shape[1]])
    scaled = J * scale
    squares = scaled.T @ scaled
    largest = largest_eigenvalue(squares)
    squares.diagonal().add_(ROUNDING * largest)
    root, failed = torch.linalg.cholesky_ex(squares)
    if failed or not largest > 0:  # the equations say nothing, or not in numbers
        return torch.eye(len(squares)).to(squares)
    free = lowest(squares, root, OPEN**2 * largest, guess)
    whole = torch.cholesky_solve(scaled.T @ r[:, None], root)
    own = whole - free @ (free.T @ whole)
    length = own.norm()
    own = torch.where(length > BESIDE * whole.norm(), own / length, torch.zeros_like(own))
    return scale[:, None] * torch.cat([free, own], 1)


def lowest(squares: Tensor, root: Tensor, most: Tensor, guess: int) -> Tensor:
    """The eigenvectors (n, k) of squares (n, n) with eigenvalues up to `most`.

    Inverse iteration of a block takes a quarter of the time of all eigenvectors. The block is made
    larger until other vectors find no low eigenvalue beside it. Where it would have most of the
    vectors, all of them are computed.

    Args:
        squares: positive definite.
        root: its Cholesky factor.
        most: of the eigenvalues.
        guess: of their number; 0 for none.
    """
    n = len(squares)
    guess = max(guess, math.ceil(FIRST * n))
    while guess < FEW * n:
        values, vectors = inverse_iteration(squares, root, torch.zeros_like(squares[:, :0]), guess)
        found = vectors[:, values <= most]
        others, _ = inverse_iteration(squares, root, found, GUARDS)
        if others[0] > NEAR * most:
            return found
        guess = math.ceil(MORE * guess)
    values, vectors = torch.linalg.eigh(squares)
    return vectors[:, values <= most]


def inverse_iteration(
    squares: Tensor, root: Tensor, beside: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """The lowest eigenvalues (count,), increasing, and vectors (n, count), beside known vectors."""
    generator = torch.Generator().manual_seed(beside.shape[1])
    block = torch.randn(len(squares), count, generator=generator, dtype=torch.float64).to(squares)
    for _ in range(ITERATIONS):
        block = torch.cholesky_solve(block, root)
        block = torch.linalg.qr(block - beside @ (beside.T @ block)).Q
    values, vectors = torch.linalg.eigh(block.T @ squares @ block)
    return values, block @ vectors


def largest_eigenvalue(squares: Tensor) -> Tensor:
    """Of a symmetric matrix, by its powers: to a few per cent."""
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(len(squares), generator=generator, dtype=torch.float64).to(squares)
    for _ in range(POWERS):
        vector = squares @ (vector / vector.norm().clamp(min=torch.finfo(vector.dtype).tiny))
    return vector.norm()
