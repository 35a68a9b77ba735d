"""How much the conditions on faces count beside the equations, and how fast the residual falls.

    |r|² = |r_equations|² + emphasis |r_conditions|²

Where a layer is not resolved, no function fulfils both. A large emphasis then spreads the residual
over the domain; a small one leaves it at the face, where the layer is, and patches are cut there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from pinn.base.processes import agreed_numbers
from pinn.objective.sites import Placed

MOST, LEAST = 100.0, 0.01
JUMP = 100.0  # from round to round, at most
WELL = 0.5  # the fall of a round that goes well
FLAT = 0.99  # and of one that changes nothing


@dataclass
class Emphasis:
    """The emphasis of the next round.

    Args:
        now: its value.
        is_new: whether no round has ended since it became small.
        parts: of each round |r|² of the equations and of the conditions, at held-out points.
    """

    now: float = MOST
    is_new: bool = False
    parts: list[tuple[float, float]] = field(default_factory=list)

    def note(self, placed: Mapping[str, Placed], squares: Mapping[str, Tensor]) -> float:
        """Take down |r|² of a round, and return it.

        Args:
            placed: region → its held-out points.
            squares: region → |r|² (N,) there.
        """
        sums = [0.0, 0.0]
        for region, values in squares.items():
            sums[placed[region].points.normal is not None] += float(values.sum())
        device = next(iter(squares.values())).device
        inner, faces = agreed_numbers(sums, device)
        self.parts.append((inner, faces / self.now))
        return inner + faces

    def fall(self, emphasis: float | None = None, since: int | None = None) -> float:
        """|r_end| / |r_before| of the last round; 1 in the first one.

        Args:
            emphasis: by which both are measured, the present one by default.
            since: the best of so many first rounds is that before; by default the last but one is.
        """
        if len(self.parts) < 2:
            return 1.0
        factor = self.now if emphasis is None else emphasis
        *sums, end = (inner + factor * faces for inner, faces in self.parts)
        before = sums[-1] if since is None else min(sums[:since])
        return math.sqrt(end / before) if before > 0 else 1.0

    @property
    def largest(self) -> float:
        """|r_end|² with the largest emphasis: comparable over rounds."""
        inner, faces = self.parts[-1]
        return inner + MOST * faces

    def follow(self, may_shrink: bool) -> None:
        """Small where nothing falls; it grows again where the residual falls well.

        Args:
            may_shrink: not where a solution was begun from that of an easier coefficient, whose
                conditions hold and keep it near: without them Newton goes to another one.
        """
        if len(self.parts) < 2:
            return
        fall = self.fall()
        if fall > FLAT and may_shrink:
            self.now, self.is_new = LEAST, True
        elif self.is_new:
            self.is_new = False
        elif fall < WELL:
            self.now = min(self.now * min(WELL / max(fall, 1e-300), JUMP), MOST)
