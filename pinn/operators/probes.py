"""Random probes of a divergence: how many, of which distribution, from which seed."""

from dataclasses import dataclass

from pinn.base.messages import one_of, whole
from pinn.base.processes import rank
from pinn.derivatives.hutchinson import DISTRIBUTIONS
from pinn.geometry.sampling import stream_seed


@dataclass(frozen=True)
class Probes:
    """Settings of Hutchinson's estimate.

    Args:
        count: m, how many products zᵀJz are averaged.
        distribution: `rademacher` (±1, the smallest variance) or `gaussian`.
        seed: of all probes; with the call and the process it gives those of one call.
        pair: give two independent estimates of m probes each, (2, …): their product is an unbiased
            square, while the square of one estimate is too large by its variance.

    Raises:
        ValueError: fewer than one probe, or an unknown distribution.
    """

    count: int = 1
    distribution: str = "rademacher"
    seed: int = 0
    pair: bool = False

    def __post_init__(self) -> None:
        whole("probes.count", self.count)
        one_of("distribution", self.distribution, DISTRIBUTIONS)

    def seed_of(self, call: int) -> int:
        """The seed of one call, different on every process."""
        return stream_seed(self.seed, call, rank(), "divergence")
