"""Attention among the tokens of each point, and gated linear units."""

import inspect
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rules.arithmetic import add, compose, multiply
from pinn.algebra.rules.axes import feature_axis, named, refuse, width
from pinn.algebra.rules.dense_layer import linear
from pinn.algebra.rules.matrix_products import matmul
from pinn.algebra.rules.normalise import dropout, softmax
from pinn.algebra.rules.reduce import mean
from pinn.algebra.rules.selection import chunk
from pinn.algebra.rules.shape import matrix_transpose, reshape, transpose
from pinn.algebra.series import Series
from pinn.algebra.smooth import SMOOTH


def glu(x: Series, dim: int = -1) -> Series:
    """a σ(b) for the two halves of the features."""
    a, b = chunk(x, 2, feature_axis(x, dim, "glu"))
    return multiply(a, compose(b, SMOOTH[torch.sigmoid]))


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(Q Kᵀ / √E + mask) V over the tokens of each point, (…, tokens, features)."""
    check_tokens("scaled_dot_product_attention", query, key, value)
    if dropout_p > 0 or enable_gqa or isinstance(attn_mask, Series):
        raise refuse("scaled_dot_product_attention", f"with dropout_p={dropout_p}, {enable_gqa=}")
    factor = 1 / math.sqrt(query.value.shape[-1]) if scale is None else scale
    return matmul(weights_of(query, key, factor, attn_mask, is_causal), value)


def weights_of(q: Any, k: Any, factor: float, mask: Tensor | None, is_causal: bool) -> Series:
    """softmax(Q Kᵀ · factor + mask): how much each token sees of the others."""
    scores = multiply(matmul(q, matrix_transpose(k)), factor)
    return softmax(masked(scores, mask, is_causal), -1)


def check_tokens(name: str, *operands: Any) -> None:
    """Refuse attention whose tokens would be the points, and constants among the operands."""
    for x in operands:
        if not isinstance(x, Series):
            raise refuse(name, "of features and constants together")
        if width(x) < 2:
            raise refuse(name, f"of shape {tuple(x.value.shape)}, whose tokens are the points,")


def masked(scores: Series, mask: Tensor | None, is_causal: bool) -> Series:
    """Scores without what a query must not see."""
    if is_causal:
        n, m = scores.value.shape[-2:]
        mask = torch.ones(n, m, dtype=torch.bool, device=scores.value.device).tril()
    if mask is None:
        return scores
    if mask.ndim > 2:
        raise refuse("attention", f"with a mask of shape {tuple(mask.shape)}, per head or point,")
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=scores.value.dtype).masked_fill(~mask, -math.inf)
    return add(scores, mask)


class TokensFirst:
    """A jet (N, tokens, features) with its points behind its tokens.

    `nn.MultiheadAttention(batch_first=True)` hands its arguments on in this order and swaps the
    result back; nothing else is defined for it.
    """

    def __init__(self, jet: Series) -> None:
        self.jet = jet

    def transpose(self, dim0: int, dim1: int) -> Series:
        """The jet itself."""
        if {dim0 % 3, dim1 % 3} != {0, 1}:
            raise refuse("transpose", "of the points")
        return self.jet

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.multi_head_attention_forward:
            raise NoRuleError(f"{func.__name__} of transposed points has no derivative rule")
        return multi_head_attention(*args, **(kwargs or {}))


def swap(x: Series, dim0: int, dim1: int) -> Any:
    """`transpose`; where points are swapped with tokens, attention swaps them back."""
    if x.lead == 1 and x.value.ndim == 3 and {dim0 % 3, dim1 % 3} == {0, 1}:
        return TokensFirst(x)
    return transpose(x, dim0, dim1)


SIGNATURE = inspect.signature(F.multi_head_attention_forward)


def multi_head_attention(*arguments: Any, **settings: Any) -> tuple[TokensFirst, Series | None]:
    """Attention among the tokens of each point, as `nn.MultiheadAttention(batch_first=True)`."""
    bound = SIGNATURE.bind(*arguments, **settings)
    bound.apply_defaults()
    a = SimpleNamespace(**bound.arguments)
    name, parts = "multi_head_attention_forward", (a.query, a.key, a.value)
    if not all(isinstance(x, TokensFirst) for x in parts):
        raise refuse(name, "of points that are the tokens (use batch_first=True)")
    unusual = (a.bias_k, a.bias_v, a.key_padding_mask, a.static_k, a.static_v)
    if any(t is not None for t in unusual) or a.add_zero_attn or a.is_causal:
        raise refuse(name, "with extra tokens or a mask per point")
    separate, together = (a.q_proj_weight, a.k_proj_weight, a.v_proj_weight), a.in_proj_weight
    weights = separate if together is None else together.chunk(3)
    biases = (None,) * 3 if a.in_proj_bias is None else a.in_proj_bias.chunk(3)
    embedding, size = a.embed_dim_to_check, a.embed_dim_to_check // a.num_heads
    q, k, v = (
        transpose(reshape(y, *y.value.shape[:2], a.num_heads, size), 1, 2)
        for y in (linear(x.jet, w, b) for x, w, b in zip(parts, weights, biases, strict=True))
    )
    seen = weights_of(q, k, 1 / math.sqrt(size), a.attn_mask, False)
    mixed = transpose(matmul(dropout("dropout")(seen, a.dropout_p, a.training), v), 1, 2)
    tokens = reshape(mixed, *a.query.jet.value.shape[:2], embedding)
    result = TokensFirst(linear(tokens, a.out_proj_weight, a.out_proj_bias))
    shown = mean(seen, 1) if a.average_attn_weights else seen
    return result, shown if a.need_weights else None


ATTENTION: dict[Callable, Callable] = {
    **named(glu, scaled_dot_product_attention, transpose=swap, swapaxes=swap, swapdims=swap),
    F.multi_head_attention_forward: multi_head_attention,
}
