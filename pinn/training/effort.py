"""What a round on some patches takes, told before anything is computed.

rows      Σ m (k F C)² operations: m rows of a patch, of which each sees k patches
factor    by the elimination tree of patches whose windows overlap
patches   (F C)³ operations each, where their equations are solved one by one, see `condensation`
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.networks.layout import Layout
from pinn.optim.elimination import elimination

BYTES = 8
TWICE = 2  # JᵀJ, and its factor
ALONE = 9  # times n³ operations, for the squares and eigenvectors of the n coefficients of a patch


@dataclass(frozen=True)
class Effort:
    """What one step takes.

    Args:
        operations: how many.
        memory: bytes.
    """

    operations: float
    memory: float


def effort(layout: Layout, unknowns: int, rows: int) -> Effort:
    """What a step takes on a layout.

    Args:
        layout: the patches.
        unknowns: of one patch.
        rows: of one patch, those of conditions not counted.
    """
    boxes = layout.boxes()
    shared = (boxes.below + boxes.above) / 2 / (boxes.upper - boxes.lower)  # with one more each
    squares = float((1 + 3 * shared).prod(1).sum())
    tree = elimination([unknowns] * len(layout), neighbours(*boxes.support))
    numbers = TWICE * tree.numbers + tree.working  # rows are kept only where there is room too
    return Effort(rows * unknowns**2 * squares + tree.operations, BYTES * numbers)


def condensed_effort(layout: Layout, unknowns: int, rows: int, left: float) -> Effort:
    """The same where the equations of a patch leave it a part of its unknowns."""
    own = math.ceil(left * unknowns)
    rest = effort(layout, own, rows)
    boxes = layout.boxes()
    shared = (boxes.below + boxes.above) / 2 / (boxes.upper - boxes.lower)
    columns = rows * unknowns * own * float((1 + shared).prod(1).sum())
    alone = ALONE * unknowns**3 * len(layout)
    return Effort(
        rest.operations + columns + alone, rest.memory + BYTES * unknowns * own * len(layout)
    )


def neighbours(lower: Tensor, upper: Tensor) -> list[tuple[int, int]]:
    """Pairs of boxes (n, D) that have a volume in common."""
    overlap = (lower[:, None] < upper) & (upper[:, None] > lower)
    pairs = torch.triu(overlap.all(-1)).nonzero().tolist()
    return [(a, b) for a, b in pairs]
