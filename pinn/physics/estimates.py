"""Estimates: a coefficient of a problem, and how well the data know it."""

import math
from dataclasses import dataclass

LEVEL = 0.95  # of confidence


@dataclass(frozen=True)
class Estimate:
    """θ ± t s:  a value, and the interval that covers the truth in 95 of 100 experiments.

    Args:
        value: θ.
        deviation: its standard deviation s; infinite where the data leave it open.
        freedom: degrees of freedom of s, those of Student's t.
        left: by how much the next step of least squares would change θ.
    """

    value: float
    deviation: float
    freedom: float
    left: float = 0.0

    @property
    def half_width(self) -> float:
        """t s, half of the interval's length."""
        if not (self.freedom > 0 and math.isfinite(self.deviation)):
            return math.inf
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, (1 + LEVEL) / 2)) * self.deviation

    @property
    def settled(self) -> bool:
        """Whether the minimum is reached, to a tenth of the interval."""
        return abs(self.left) <= 0.1 * self.half_width

    def __str__(self) -> str:
        """As in `0.02490 ± 0.00036 (95 %)`: two digits of the uncertainty."""
        half = self.half_width
        if not 0 < half < math.inf:
            return f"{self.value:.6g} ± {half:.2g} ({LEVEL * 100:.0f} %)"
        power = math.floor(math.log10(max(abs(self.value), half)))
        unit = 10.0**power if not -5 < power < 6 else 1.0
        decimals = max(0, 1 - math.floor(math.log10(half / unit)))
        shown = f"{self.value / unit:.{decimals}f} ± {half / unit:.{decimals}f}"
        shown = shown if unit == 1.0 else f"({shown})e{power}"
        return f"{shown} ({LEVEL * 100:.0f} %)"
