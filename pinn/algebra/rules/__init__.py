"""The derivative rule of every torch function that has one, by what it does."""

from collections.abc import Callable

from pinn.algebra.rules.arithmetic import ARITHMETIC
from pinn.algebra.rules.attention import ATTENTION
from pinn.algebra.rules.blend import BLEND
from pinn.algebra.rules.distance import DISTANCE
from pinn.algebra.rules.join import JOIN
from pinn.algebra.rules.kinks import KINKS
from pinn.algebra.rules.linear import LINEAR
from pinn.algebra.rules.normalise import NORMALISE
from pinn.algebra.rules.parts import PARTS
from pinn.algebra.rules.pointwise import POINTWISE
from pinn.algebra.rules.products import PRODUCTS
from pinn.algebra.rules.reduce import REDUCE
from pinn.algebra.rules.shape import SHAPE
from pinn.algebra.rules.whole import WHOLE

RULES: dict[Callable, Callable] = {
    **ARITHMETIC,
    **POINTWISE,
    **KINKS,
    **LINEAR,
    **PRODUCTS,
    **SHAPE,
    **PARTS,
    **JOIN,
    **BLEND,
    **DISTANCE,
    **REDUCE,
    **NORMALISE,
    **ATTENTION,
    **WHOLE,
}
