"""The solution before the last refinement: what the error of a round is measured against.

    error ≈ |u − u_former| q/(1 − q),   q = |r| / |r_best|

q looks at the best round up to the former one. A round with more points, on the same patches, says
nothing about what these patches cannot show; and a round whose points were too few had a residual
that would make any other look good.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

from pinn.networks.patches import Patches
from pinn.training.emphasis import MOST, WELL, Emphasis

SLOW = 0.95  # the fall of the residual in a round at which the error is that of no convergence
SURE = 10  # times what a round that went well has changed: the error before it was no larger
FASTER = 2  # the power of the residual's fall that the error falls with, at most


@dataclass
class Former:
    """A solution with coarser patches or lower degrees than the present one.

    Args:
        networks: of it; none before the first refinement.
        rounds: how many had ended then.
        estimates: unknown → its estimated relative error.
    """

    networks: dict[str, Patches] = field(default_factory=dict)
    rounds: int = 1
    estimates: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, networks: Mapping[str, Patches], emphasis: Emphasis, estimates: Mapping[str, float]
    ) -> "Former":
        """The solution as it is now."""
        own = {name: copy.deepcopy(network) for name, network in networks.items()}
        return cls(own, len(emphasis.parts), dict(estimates))

    def errors(self, changed: Mapping[str, float], emphasis: Emphasis) -> dict[str, float]:
        """Unknown → estimated relative L2 error.

        Args:
            changed: unknown → by how much it differs from that of the former solution.
            emphasis: with the residuals of all rounds.
        """
        fall, errors = min(emphasis.fall(since=self.rounds), SLOW), dict[str, float]()
        for name, change in changed.items():
            former = self.estimates.get(name, 1.0)
            if fall < WELL:  # what such a round has changed was the error before it
                former = min(former, SURE * change)
            least = former * min(emphasis.fall(MOST, self.rounds), 1.0) ** FASTER
            errors[name] = max(change * fall / (1 - fall), least)  # of a geometric series
        return errors
