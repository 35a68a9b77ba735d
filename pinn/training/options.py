"""What the next round may do, and what each way promises: higher degrees, or halves of patches."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from pinn.geometry.corners import Place
from pinn.geometry.pieces import FLAT
from pinn.networks.layout import Cut, Layout
from pinn.networks.local_features import Polynomials, number
from pinn.networks.patches import Patches
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.optim.condensation import Condensed
from pinn.optim.levenberg_marquardt import LevenbergMarquardt
from pinn.training.decay import Decay
from pinn.training.density import Degrees
from pinn.training.effort import Effort, condensed_effort, effort
from pinn.training.outcome import in_words
from pinn.training.trust import Trust

MOST = {1: 40, 2: 28, 3: 32, 4: 16}  # degree, by dimensions; beyond, 8
RAISES = (1, 2, 3, 4, 6)  # degrees at a time
SHARES = (0.5, 0.8, 0.95, 0.99)  # of the squared residual that the patches to be halved have
ALL = 1.0  # in more than two dimensions, where higher degrees take far longer
EACH = 1.0  # cost of a round in itself, as a logarithm, beside that of its size
HALF = 0.5  # of the memory that halves may take which do not promise to be the last
LONGEST = 4.0  # cost of higher degrees at most: some 20 times as long as the last round
UNTRIED = 5.0  # and of halves while no error is known: some 50 times
FIXED = 3e8  # operations that a round takes as long as, however small it is
LAYER = 0.5  # of a patch's squared residual, from which on its conditions say where it is cut
SAFE = 0.5  # of the tolerance that the next round aims at
RESOLVED = 0.01  # of the tolerance: smaller coefficients may be left out
ROOT = 0.5  # the residual beside a singular point falls as this power of a patch's width, at least
LEVELS = 3  # times that a patch at a singular point is halved in a round
LOWEST = 4  # degree
SPARE = 3  # degrees more that a step with few unknowns needs, see `condensation`
GUESS = 2.0  # times what a trace has


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
        tolerance: the error that is asked for.
        rows: degrees → how many rows a patch has.
        room: bytes that a round may take.
        left: the part of the unknowns of a patch that its equations leave; 1 where it takes all.
        singular: the points where derivatives are infinite, in the plane.
    """

    network: Patches
    outputs: int
    falls: Decay
    squares: Tensor
    faces: Tensor
    wanted: float
    trust: Trust
    tolerance: float
    rows: Callable[[Degrees], int]
    room: float
    left: float
    singular: Sequence[Place] = ()

    @property
    def degrees(self) -> Degrees:
        """Of the polynomials now."""
        features = self.network.features
        assert isinstance(features, Polynomials)
        return features.degrees

    @cached_property
    def needed(self) -> list[float]:
        """The degrees that resolve what is asked for, along each axis."""
        if len(self.degrees) <= FLAT:  # few features to save, and the points are products
            return [math.inf] * len(self.degrees)
        spare = SPARE if self.left < 1 else 0
        return [n + spare for n in self.falls.needed(RESOLVED * self.tolerance)]

    def raised(self, more: int) -> Degrees:
        """The degrees, so much higher where they do not resolve it yet; lower where they are more.

        An axis along which nothing is left costs features, and gains nothing.
        """
        needed = [max(math.ceil(min(n, 100)), LOWEST) for n in self.needed]
        short = min(p + more - n for p, n in zip(self.degrees, needed, strict=True))
        enough = [n + max(short, 0) for n in needed]  # the axis that is worst is raised by `more`
        return tuple(min(p + more, n) for p, n in zip(self.degrees, enough, strict=True))

    def effort(self, layout: Layout, degrees: Degrees) -> Effort:
        """Of a step with other patches and degrees."""
        d, given = len(degrees), (layout, self.outputs * number(degrees), self.rows(degrees))
        if self.left >= 1 or len(layout) == 1:
            return effort(*given)
        left = self.left * (max(self.degrees) + d) / (max(degrees) + d)  # as on a boundary
        return condensed_effort(*given, min(left, 1.0))

    @cached_property
    def now(self) -> Effort:
        """That of a step as it is."""
        return self.effort(self.network.layout, self.degrees)

    def cost(self, new: Effort) -> float:
        """The logarithm of how much longer a round takes than this one."""
        return EACH + math.log((new.operations + FIXED) / (self.now.operations + FIXED))

    def option(self, gain: float, layout: Layout, degrees: Degrees, words: str) -> "Option":
        """One way to go on, which is believed no more than what is wanted."""
        new, gain = self.effort(layout, degrees), min(gain, self.wanted)
        cuts = layout.cuts[len(self.network.layout.cuts) :]
        return Option(gain, self.cost(new), cuts, degrees, words, new.memory / self.room)

    @cached_property
    def meeting(self) -> list[set[int]]:
        """Of each singular point the patches that it lies in."""
        layout = self.network.layout
        return [{k for k in range(len(layout)) if layout.holds(k, at)} for at in self.singular]

    def is_singular(self, patch: int) -> bool:
        """Whether derivatives are infinite at a point of a patch."""
        return any(patch in each for each in self.meeting)

    def beside(self, patches: Sequence[int]) -> list[int]:
        """These patches, and with one at a singular point all others there that have a residual.

        Were they of different sizes, the strip between two would be thin, and the larger one too
        coarse for it.
        """
        met = [each for each in self.meeting if not each.isdisjoint(patches)]
        more = {patch for each in met for patch in each if self.squares[patch] > 0}
        return [*patches, *sorted(more.difference(patches))]

    def halving(self, patch: int) -> float:
        """The fall of the logarithm of a patch's residual when it is halved."""
        if self.is_singular(patch):
            return LEVELS * ROOT * math.log(2)
        rate = math.inf if self.is_layer(patch) else self.falls.rate(patch)
        return max(self.degrees) * min(rate, math.log(2))

    def halve(self, layout: Layout, patch: int) -> None:
        """Halve a patch of a finer layout; towards a singular point several times."""
        singular = [at for at in self.singular if self.network.layout.holds(patch, at)]
        near, axes = [patch], self.axes(patch)
        for _ in range(LEVELS if singular else 1):
            for axis in axes:
                near += [layout.halve(piece, axis) for piece in list(near)]
            axes = axes[:2]  # time once
            near = [piece for piece in near if any(layout.holds(piece, at) for at in singular)]

    def is_layer(self, patch: int) -> bool:
        """Whether conditions fail beside a smooth function, as where a layer is not resolved."""
        return (
            not self.is_singular(patch)
            and self.falls.is_smooth(patch)
            and bool(self.faces[patch].sum() > LAYER * self.squares[patch])
        )

    def axes(self, patch: int) -> list[int]:
        """Along which a patch is cut: across a layer, else where its coefficients fall slowly."""
        if self.is_singular(patch):  # as fine towards the point along both
            return [0, 1, *(axis for axis in self.falls.axes(patch) if axis > 1)]
        faces = self.faces[patch]
        if self.is_layer(patch):
            return [i for i, face in enumerate(faces) if face >= LAYER * faces.max()]
        return self.falls.axes(patch)


def left_by(system: LocalLeastSquares, optimizer: LevenbergMarquardt, degrees: Degrees) -> float:
    """The part of the unknowns of a patch that its equations leave, by the last step.

    A single patch takes all of its unknowns. Several patches are then expected to have twice those
    of a trace on their boundary.
    """
    if (model := optimizer.model) is not None and isinstance(model.system, Condensed):
        return model.unknowns / model.system.length
    single = all(len(network.layout) == 1 for network in system.networks.values())
    if not single or len(degrees) <= FLAT or system.theta.others:
        return 1.0
    return GUESS * len(degrees) / (max(degrees) + len(degrees))


class Option(NamedTuple):
    """One way to go on.

    Args:
        gain: the fall of the error's logarithm.
        cost: the growth of the logarithm of the time.
        cuts: of patches.
        degrees: of the polynomials.
        words: the same for people.
        share: of the memory.
    """

    gain: float
    cost: float
    cuts: list[Cut]
    degrees: Degrees
    words: str
    share: float

    @property
    def promise(self) -> float:
        """What it gains for what it costs."""
        return self.gain / self.cost


def raised(facts: Facts) -> Iterator[Option]:
    """Higher degrees of all polynomials, by so many."""
    d, squares = len(facts.network.layout.lower), facts.squares
    shares = squares / squares.sum()
    rate = sum(
        float(s) * facts.falls.rate(k)
        for k, s in enumerate(shares)
        if not (facts.is_layer(k) or facts.is_singular(k))
    )
    enough = facts.wanted / max(rate, 1e-3)
    for more in RAISES:
        new = facts.raised(more)
        if max(new) <= MOST.get(d, 8) and new != facts.degrees:
            gain = facts.trust.degrees * rate * more
            yield facts.option(gain, facts.network.layout, new, in_words(new))
        if more >= enough:
            return


def halved(facts: Facts, share: float) -> Option:
    """Halves of the patches that have a share of the residual."""
    squares, layout = facts.squares, facts.network.layout
    order = squares.argsort(descending=True, stable=True)
    part = squares[order].cumsum(0) / squares.sum()
    marked = facts.beside(order[: int((part < share).sum()) + 1].tolist())
    finer = Layout(layout.lower, layout.upper, layout.cuts)
    falling = 0.0
    for patch in marked:
        falling += float(squares[patch]) * facts.halving(patch)
        facts.halve(finer, patch)
    reached = float(squares[marked].sum())
    left = 1 - min(reached / float(squares.sum()), 1 - 1e-9)
    gain = facts.trust.cuts * min(-0.5 * math.log(left), falling / reached)
    many = f"{len(marked)} patch{'es' if len(marked) != 1 else ''} halved"
    return facts.option(gain, finer, facts.raised(0), many)


def chosen(facts: Facts) -> Option | None:
    """The option that promises most for its cost; None where none fits into the memory.

    Promises are careful: a round that takes a hundred times as long as the last one, as six more
    degrees do in four dimensions, is better taken in two. Halves have no such smaller step.
    Those that do not promise to be the last leave room for another round, if any do.
    """
    most = UNTRIED if math.isinf(facts.wanted) else math.inf
    shares = SHARES if len(facts.degrees) <= FLAT else (*SHARES, ALL)
    limits = [(halved(facts, share), most) for share in shares]
    limits += [(option, LONGEST) for option in raised(facts)]
    fitting = [(option, limit) for option, limit in limits if option.share <= 1]
    short = [option for option, limit in fitting if option.cost <= limit]
    some = short or [option for option, _ in fitting]
    now = max(facts.degrees)
    roomy = [o for o in some if o.share <= HALF or o.gain >= facts.wanted or max(o.degrees) > now]
    return max(roomy or some, key=lambda option: option.promise, default=None)
