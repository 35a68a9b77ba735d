"""How much each way to refine keeps of what it promises."""

import math
from dataclasses import dataclass

from pinn.training.emphasis import WELL

LEAST = 0.1  # the smallest share that is believed


@dataclass
class Trust:
    """The shares of promises that were kept last.

    Args:
        degrees: of higher degrees.
        cuts: of halved patches.
        promised: the fall of the residual's logarithm that the round now promises; None in the
            first one, and where only points are added.
        is_degree: whether that round has higher degrees.
    """

    degrees: float = 1.0
    cuts: float = 1.0
    promised: float | None = None
    is_degree: bool = False

    def promise(self, gain: float, is_degree: bool) -> None:
        """Take down what the next round promises, as much of it as is believed."""
        share = self.degrees if is_degree else self.cuts
        self.promised, self.is_degree = gain / share, is_degree

    def judge(self, fall: float) -> None:
        """Hold the promise against the fall of the residual."""
        if fall < WELL:
            self.degrees, self.cuts = (max(share, WELL) for share in (self.degrees, self.cuts))
        if self.promised is not None:
            kept = -math.log(max(fall, 1e-300)) / max(self.promised, 1e-3)
            kept = min(max(kept, LEAST), 1.0)
            if self.is_degree:
                self.degrees = kept
            else:
                self.cuts = kept
        self.promised = None
