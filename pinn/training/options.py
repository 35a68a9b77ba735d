"""What the next round may do, and what each way promises: higher degrees, or halves of patches."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from pinn.networks.layout import Cut, Layout
from pinn.networks.local_features import Polynomials
from pinn.networks.patches import Patches
from pinn.training.decay import Decay
from pinn.training.effort import Effort, effort
from pinn.training.trust import Trust

MOST = {1: 40, 2: 28, 3: 32, 4: 16}  # degree, by dimensions; beyond, 8
RAISES = (1, 2, 3, 4, 6)  # degrees at a time
SHARES = (0.5, 0.8, 0.95, 0.99)  # of the squared residual that the patches to be halved have
EACH = 1.0  # cost of a round in itself, as a logarithm, beside that of its size
FIXED = 3e8  # operations that a round takes as long as, however small it is
LAYER = 0.5  # of a patch's squared residual, from which on its conditions say where it is cut
SAFE = 0.5  # of the tolerance that the next round aims at


@dataclass
class Facts:
    """What a solved round tells.

    Args:
        network: of polynomials.
        outputs: of all networks.
        falls: the fall of their coefficients.
        squares: (n,) the squared residual of every patch.
        faces: (n, D) what of it the conditions on faces have, by the axis of their normal.
        wanted: the logarithm of what the error has to fall by.
        trust: how much higher degrees and cuts keep of what they promise.
        rows: degree → how many rows a patch has.
        room: bytes that a round may take.
    """

    network: Patches
    outputs: int
    falls: Decay
    squares: Tensor
    faces: Tensor
    wanted: float
    trust: Trust
    rows: Callable[[int], int]
    room: float

    @property
    def degree(self) -> int:
        """Of the polynomials now."""
        features = self.network.features
        assert isinstance(features, Polynomials)
        return features.degree

    def effort(self, layout: Layout, degree: int) -> Effort:
        """Of a step with other patches and degrees."""
        d = len(layout.lower)
        unknowns = self.outputs * math.comb(degree + d, d)
        return effort(layout, unknowns, self.rows(degree))

    @cached_property
    def now(self) -> Effort:
        """That of a step as it is."""
        return self.effort(self.network.layout, self.degree)

    def cost(self, layout: Layout, degree: int) -> float:
        """The logarithm of how much longer a round takes than this one; infinite without room."""
        new = self.effort(layout, degree)
        if new.memory > self.room:
            return math.inf
        return EACH + math.log((new.operations + FIXED) / (self.now.operations + FIXED))

    def is_layer(self, patch: int) -> bool:
        """Whether conditions fail beside a smooth function, as where a layer is not resolved."""
        return self.falls.is_smooth(patch) and bool(
            self.faces[patch].sum() > LAYER * self.squares[patch]
        )

    def axes(self, patch: int) -> list[int]:
        """Along which a patch is cut: across a layer, else where its coefficients fall slowly."""
        faces = self.faces[patch]
        if self.is_layer(patch):
            return [i for i, face in enumerate(faces) if face >= LAYER * faces.max()]
        return self.falls.axes(patch)


class Option(NamedTuple):
    """One way to go on.

    Args:
        gain: the fall of the error's logarithm.
        cost: the growth of the logarithm of the time.
        cuts: of patches.
        degree: of the polynomials.
        words: the same for people.
    """

    gain: float
    cost: float
    cuts: list[Cut]
    degree: int
    words: str

    @property
    def promise(self) -> float:
        """What it gains for what it costs."""
        return self.gain / self.cost


def raised(facts: Facts) -> Iterator[Option]:
    """Higher degrees of all polynomials, by so many."""
    d, squares = len(facts.network.layout.lower), facts.squares
    shares = squares / squares.sum()
    rate = sum(
        float(s) * facts.falls.rate(k) for k, s in enumerate(shares) if not facts.is_layer(k)
    )
    enough = facts.wanted / max(rate, 1e-3)
    for more in RAISES:
        new = facts.degree + more
        if new <= MOST.get(d, 8):
            gain = facts.trust.degrees * rate * more
            yield Option(gain, facts.cost(facts.network.layout, new), [], new, f"degree {new}")
        if more >= enough:
            return


def halved(facts: Facts, share: float) -> Option:
    """Halves of the patches that have a share of the residual."""
    squares, layout = facts.squares, facts.network.layout
    order = squares.argsort(descending=True, stable=True)
    part = squares[order].cumsum(0) / squares.sum()
    marked = order[: int((part < share).sum()) + 1].tolist()
    finer = Layout(layout.lower, layout.upper, layout.cuts)
    falling = 0.0
    for patch in marked:
        rate = math.inf if facts.is_layer(patch) else facts.falls.rate(patch)
        rate = min(rate, math.log(2))
        falling += float(squares[patch]) * facts.degree * rate
        pieces = [patch]
        for axis in facts.axes(patch):
            pieces += [finer.halve(piece, axis) for piece in list(pieces)]
    reached = float(squares[marked].sum())
    left = 1 - min(reached / float(squares.sum()), 1 - 1e-9)
    gain = facts.trust.cuts * min(-0.5 * math.log(left), falling / reached)
    cost = facts.cost(finer, facts.degree)
    cuts = finer.cuts[len(layout.cuts) :]
    many = f"{len(marked)} patch{'es' if len(marked) != 1 else ''} halved"
    return Option(gain, cost, cuts, facts.degree, many)
