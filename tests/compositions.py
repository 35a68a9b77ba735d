"""Random compositions of operators, read as fields and as nested reverse mode."""

import random as dice

import torch

from pinn import exp, sin, sqrt, tanh, vector
from pinn.fields.field import partial
from pinn.fields.vector_calculus import advect, div, grad, laplacian

FUNCTIONS = {
    "sin": (sin, torch.sin),
    "exp": (lambda a: exp(sin(a)), lambda a: torch.exp(torch.sin(a))),
    "tanh": (tanh, torch.tanh),
    "root": (lambda a: sqrt(1.5 + a * a), lambda a: torch.sqrt(1.5 + a * a)),
    "quotient": (lambda a: a / (2.0 + a * a), lambda a: a / (2.0 + a * a)),
    "cube": (lambda a: a**3, lambda a: a**3),
}


def composition(seed, space, coordinates, orders=4, depth=7):
    """A tree of operators that takes at most so many orders on any way, and all on one.

    Args:
        seed: of the choices.
        space: how many coordinates the spatial operators are over.
        coordinates: how many there are.
        orders: of differentiation.
        depth: how many operators stand one in the other at most.
    """
    draw = dice.Random(seed)

    def leaf():
        return draw.choice([("u", 0), ("u", 1), ("x", draw.randrange(coordinates)), ("u", 0)])

    def tree(left, depth):
        if depth == 0:
            return leaf() if left == 0 else derivative(left, 1)
        if draw.random() < 0.5 and left:
            return derivative(left, depth)
        kind = draw.choice(["function", "product", "sum"])
        if kind == "function":
            return ("function", draw.choice(list(FUNCTIONS)), tree(left, depth - 1))
        return (kind, tree(left, depth - 1), tree(draw.randint(0, left), min(depth - 1, 2)))

    def derivative(left, depth):
        kinds = ["partial"] + ["laplacian", "div grad", "advect"] * (left > 1)
        kind = draw.choice(kinds)
        taken = 1 if kind == "partial" else 2
        inner = tree(left - taken, depth - 1)
        if kind == "advect":  # (∇b·∇)∂a
            return ("advect", draw.randrange(space), tree(0, 1), inner)
        return (kind, draw.randrange(coordinates), inner)

    return tree(orders, depth)


def of_fields(tree, u, at):
    """The composition of fields: u (N, 2) and the coordinates (N, D)."""
    kind, *rest = tree
    if kind in ("u", "x"):
        return (u if kind == "u" else at)[:, rest[0]]
    parts = [of_fields(part, u, at) for part in rest if isinstance(part, tuple)]
    if kind == "function":
        return FUNCTIONS[rest[0]][0](*parts)
    if kind in ("product", "sum"):
        return parts[0] * parts[1] if kind == "product" else parts[0] + parts[1]
    if kind == "laplacian":
        return laplacian(parts[0])
    if kind == "div grad":
        return div(grad(parts[0]))
    if kind == "advect":
        slope = grad(parts[0])
        return advect(vector(*(slope[:, k] for k in range(slope.shape[1]))), partial(parts[1], 0))
    return partial(parts[0], rest[0])


def in_reverse(tree, u, x, space):
    """The same of tensors, by one `autograd.grad` for each derivative."""

    def slopes(f):
        if not f.requires_grad:
            return torch.zeros_like(x)
        keep = {"create_graph": True, "materialize_grads": True}
        return torch.autograd.grad(f.sum(), x, **keep)[0]

    def laplace(f):
        first = slopes(f)
        return sum(slopes(first[:, i])[:, i] for i in range(space))

    def value(tree):
        kind, *rest = tree
        if kind in ("u", "x"):
            return (u if kind == "u" else x)[:, rest[0]]
        parts = [value(part) for part in rest if isinstance(part, tuple)]
        if kind == "function":
            return FUNCTIONS[rest[0]][1](*parts)
        if kind in ("product", "sum"):
            return parts[0] * parts[1] if kind == "product" else parts[0] + parts[1]
        if kind in ("laplacian", "div grad"):
            return laplace(parts[0])
        if kind == "advect":
            along, inner = slopes(parts[0]), slopes(slopes(parts[1])[:, 0])
            return (along * inner)[:, :space].sum(-1)
        return slopes(parts[0])[:, rest[0]]

    return value(tree)
