"""An oracle for the divergence: `torch.autograd.functional.jacobian`, point by point."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from pinn.choosing import choice
from pinn.choosing.sample_step import Trial
from pinn.operators.divergence import Divergence

STRATEGIES = ["auto", "taylor", "vmap", "loop"]
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def points(*shape, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=dtype) + 0.3


def network(inputs=3, outputs=None, activation=nn.Tanh):
    torch.manual_seed(4)
    outputs = inputs if outputs is None else outputs
    layers = nn.Linear(inputs, 6), activation(), nn.Linear(6, 6), activation()
    return nn.Sequential(*layers, nn.Linear(6, outputs)).double()


def choose(f, x, plan, strategy="auto", measure=True, **settings):
    """The strategy for an evaluation of f and its planned derivatives."""
    return choice.choose(Trial(f, plan, **settings), x, strategy, measure)


def trace(f, x, dims=None, components=None):
    """Σ ∂f_c/∂x_i of each point by `torch.autograd.functional.jacobian`, with its graph."""
    dims = range(x.shape[-1]) if dims is None else dims
    components = range(len(dims)) if components is None else components
    found = []
    for point in x.reshape(-1, x.shape[-1]):
        jacobian = torch.autograd.functional.jacobian(f, point, create_graph=True)
        terms = [jacobian[c, i] for c, i in zip(components, dims, strict=True)]
        found.append(torch.stack(terms).sum())
    return torch.stack(found).reshape(x.shape[:-1]) if found else x.new_zeros(x.shape[:-1])


def assert_exact(f, x, strategy="auto", same=None, **settings):
    """Value and, where f is a module, parameter gradient."""
    found = Divergence(strategy, **settings)(f, x)
    exact = trace(same or f, x, **settings)
    assert found.dtype == x.dtype
    assert found.shape == x.shape[:-1]
    torch.testing.assert_close(found, exact, rtol=1e-11, atol=1e-12)
    parameters = list(f.parameters()) if isinstance(f, nn.Module) else []
    if parameters and x.numel():
        weights = torch.linspace(0.5, 1.5, found.numel(), dtype=x.dtype).reshape(found.shape)
        settle = {"allow_unused": True, "materialize_grads": True}
        ours = torch.autograd.grad((found * weights).sum(), parameters, **settle)
        theirs = torch.autograd.grad((exact * weights).sum(), parameters, **settle)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@contextmanager
def calls_of(net):
    """A list that grows with every call of a network, by a hook that is no part of it."""
    calls = []
    hook = register_module_forward_hook(lambda m, *_: calls.append(1) if m is net else None)
    try:
        yield calls
    finally:
        hook.remove()
