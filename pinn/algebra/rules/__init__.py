"""The derivative rule of every torch function that has one: of jets, and of fields.

Each file has a table, function → rule; they are put together here.

    arithmetic        + − × ÷ and powers
    smooth_functions  of one variable: `exp`, `tanh`, `gelu`, …
    kinks             of one variable, with a kink: `relu`, `abs`, `clamp`, …
    several_operands  element by element: `where`, `maximum`, `lerp`, `addcmul`, `hypot`
    dense_layer       `linear`
    matrix_products   `matmul`, `einsum`, `bmm`, …
    convolution       `conv1d`, `conv_transpose2d`, …, over a grid of features
    distance          `cdist`
    reduce            sums, means and products over features
    normalise         layer norm, softmax, dropout
    attention         `scaled_dot_product_attention`, gated linear units
    axes              which axes a rule may touch
    shape             `reshape`, `transpose`, …
    selection         some of the features: indices, `split`, `roll`, …
    join              `cat`, `stack`
    copies            `clone`, `detach`, another dtype
    piecewise         of fields alone: conditions, steps, tables
    linear_algebra    of fields alone, at each point: `dot`, `cross`, matrix products
    matrix_functions  of fields alone, at each point: norms, determinants, inverses
"""

from collections.abc import Callable

from pinn.algebra.rules.arithmetic import ARITHMETIC
from pinn.algebra.rules.attention import ATTENTION
from pinn.algebra.rules.convolution import CONVOLUTION
from pinn.algebra.rules.copies import WHOLE
from pinn.algebra.rules.dense_layer import LINEAR
from pinn.algebra.rules.distance import DISTANCE
from pinn.algebra.rules.join import JOIN
from pinn.algebra.rules.kinks import KINKS
from pinn.algebra.rules.linear_algebra import PER_POINT
from pinn.algebra.rules.matrix_functions import MATRICES
from pinn.algebra.rules.matrix_products import PRODUCTS
from pinn.algebra.rules.normalise import NORMALISE
from pinn.algebra.rules.piecewise import PIECEWISE
from pinn.algebra.rules.reduce import REDUCE
from pinn.algebra.rules.selection import PARTS
from pinn.algebra.rules.several_operands import BLEND
from pinn.algebra.rules.shape import SHAPE
from pinn.algebra.rules.smooth_functions import POINTWISE

RULES: dict[Callable, Callable] = {}
for table in (
    ARITHMETIC, POINTWISE, KINKS, LINEAR, CONVOLUTION, PRODUCTS, SHAPE, PARTS, JOIN, BLEND,
    DISTANCE, REDUCE, NORMALISE, ATTENTION, WHOLE,
):  # fmt: skip
    RULES.update(table)
# What they mean on a field, at each point.
FIELD_RULES: dict[Callable, Callable] = {**RULES, **PIECEWISE, **PER_POINT, **MATRICES}
