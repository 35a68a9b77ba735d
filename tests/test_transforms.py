"""Inside torch's transforms: the numbers of torch.func, or one line that says what to do."""

import copy

import pytest
import torch
import torch.func as tf
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint

import pinn

# What torch says of its own imports and of dynamo's way of reading code.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call:UserWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node:UserWarning"),
]
X = torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def made(norm=False):
    torch.manual_seed(0)
    parts = [nn.Linear(3, 8), nn.Tanh(), *([nn.LayerNorm(8)] if norm else []), nn.Linear(8, 3)]
    return nn.Sequential(*parts).double()


NET = made()


def div(x, f=NET):
    return pinn.divergence(f, x)


def div_exact(x, f=NET):
    return tf.vmap(tf.jacrev(f))(x).diagonal(dim1=-2, dim2=-1).sum(-1)


def lap(x, f=NET):
    return pinn.laplacian(pinn.differentiate(f, x, order=2)).value


def lap_exact(x, f=NET):
    return tf.vmap(tf.hessian(f))(x).diagonal(dim1=-2, dim2=-1).sum(-1)


PAIRS = {"divergence": (div, div_exact), "laplacian": (lap, lap_exact)}
EACH = pytest.mark.parametrize("what", PAIRS)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.fixture
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize(("what", "backend"), [("divergence", "aot_eager"), ("laplacian", "eager")])
def test_in_the_compiler(what, backend, fresh):
    ours, exact = PAIRS[what]
    net = copy.deepcopy(NET)

    def loss(f):
        return lambda x: f(x, net).square().mean()

    found, expected = torch.compile(loss(ours), backend=backend)(X), loss(exact)(X)
    close(found, expected)
    settings = {"allow_unused": True, "materialize_grads": True}
    for a, b in zip(
        torch.autograd.grad(found, net.parameters(), **settings),
        torch.autograd.grad(expected, net.parameters(), **settings),
        strict=True,
    ):
        close(a, b)


def test_in_the_compiler_as_one_graph(fresh):
    close(torch.compile(div, backend="eager", fullgraph=True)(X), div_exact(X))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # the compiler's, of itself
def test_in_the_default_compiler(fresh):
    close(torch.compile(div)(X), div_exact(X))


TRANSFORMS = {
    "vmap": lambda f: tf.vmap(f)(X.reshape(2, 3, 3)),
    "grad": lambda f: tf.grad(lambda x: f(x).sum())(X),
    "vjp": lambda f: tf.vjp(lambda x: f(x).sum(), X)[1](torch.ones_like(X[0, 0]))[0],
    "jvp": lambda f: tf.jvp(f, (X,), (torch.ones_like(X),))[1],
    "jacrev": lambda f: tf.jacrev(f)(X),
    "jacfwd": lambda f: tf.jacfwd(f)(X),
    "hessian": lambda f: tf.hessian(lambda x: f(x[None])[0])(X[0]),
    "make_fx": lambda f: make_fx(f)(X)(X),
    "fake": lambda f: make_fx(f, tracing_mode="fake", _allow_non_fake_inputs=True)(X)(X),
    "jacobian": lambda f: torch.autograd.functional.jacobian(f, X, vectorize=True),
}


@EACH
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_in_a_transform(what, transform):
    ours, exact = PAIRS[what]
    take = TRANSFORMS[transform]
    close(take(lambda x: ours(x)), take(lambda x: exact(x)))


@pytest.mark.parametrize("transform", ["vmap", "grad", "jacrev"])
def test_layer_norm_in_a_transform_is_that_of_the_formula(transform):
    """Torch's own kernel is wrong there in second derivatives."""
    net = made(norm=True)

    def formula(x):
        first, act, norm, last = net
        h = act(first(x))
        h = h - h.mean(-1, keepdim=True)
        h = h / (h.square().mean(-1, keepdim=True) + norm.eps).sqrt()
        return last(h)

    found = TRANSFORMS[transform](lambda x: div(x, net))
    close(found, TRANSFORMS[transform](lambda x: div_exact(x, formula)))


def test_weights_given_and_many_networks_at_once():
    weights = {name: p.detach() for name, p in NET.named_parameters()}

    def with_weights(f):
        return lambda weights: f(X, lambda x: tf.functional_call(NET, weights, (x,))).square().sum()

    for a, b in zip(
        tf.grad(with_weights(div))(weights).values(),
        tf.grad(with_weights(div_exact))(weights).values(),
        strict=True,
    ):
        close(a, b)
    both = {name: torch.stack([w, 2 * w]) for name, w in weights.items()}
    close(tf.vmap(with_weights(div))(both), tf.vmap(with_weights(div_exact))(both))


@pytest.mark.parametrize("reentrant", [True, False])
def test_in_a_checkpoint(reentrant):
    net = copy.deepcopy(NET)
    x = X.clone().requires_grad_()
    checkpoint(lambda x: div(x, net).square().sum(), x, use_reentrant=reentrant).backward()
    exact = torch.autograd.grad(div_exact(x).square().sum(), [x, NET[0].weight])
    close(x.grad, exact[0])
    close(net[0].weight.grad, exact[1])


def test_in_forward_mode():
    forward = torch.autograd.forward_ad
    expected = tf.jvp(div_exact, (X,), (torch.ones_like(X),))[1]
    close(tf.linearize(lambda x: div(x), X)[1](torch.ones_like(X)), expected)
    with forward.dual_level():
        found = div(forward.make_dual(X, torch.ones_like(X)))
        close(forward.unpack_dual(found).tangent, expected)


class Exported(nn.Module):
    def __init__(self, strategy):
        super().__init__()
        self.net, self.strategy = copy.deepcopy(NET), strategy

    def forward(self, x):
        return pinn.divergence(self.net, x, self.strategy)


def test_exported_and_traced():
    module = Exported("taylor")
    points = {"x": {0: torch.export.Dim("points")}}
    exported = torch.export.export(module, (X,), dynamic_shapes=points).module()
    close(exported(X[:4]), div_exact(X[:4]))
    close(torch.jit.trace(module, X)(X[:4]), div_exact(X[:4]))
    for take in (lambda m: torch.export.export(m, (X,)), lambda m: torch.jit.trace(m, X)):
        with pytest.raises(RuntimeError, match="strategy='taylor' only"):
            take(Exported("auto"))


def test_shapes_without_numbers():
    net = copy.deepcopy(NET).to("meta")
    assert pinn.divergence(net, X.to("meta")).shape == (6,)
    assert lap(X.to("meta"), net).shape == (6, 3)


class Plate(pinn.Problem):
    """∇²u = 1."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, pinn.Rectangle()

    @pinn.on("interior")
    def eq(self, u):
        """∇²u − 1."""
        return pinn.laplacian(u) - 1.0


def test_the_loss_of_a_solution_in_the_compiler(fresh):
    from pinn.geometry import Points
    from pinn.objective.losses import residual_losses
    from pinn.solution.plans import plan_regions
    from pinn.solution.solution import Solution

    torch.manual_seed(0)
    solution = Solution(Plate(), pinn.MLP(6, 2)).double()
    solution.strategy = {"all": "taylor"}
    plans = plan_regions(solution)

    def loss(at):
        return residual_losses(solution, {"interior": Points(at)}, plans)["eq"]

    at = X[:, :2].contiguous()
    close(torch.compile(loss, backend="eager")(at), loss(at))


def energy_slope(x):
    """A network's gradient, taken by autograd inside the function."""
    at = x.clone().requires_grad_()
    return torch.autograd.grad(NET(at).pow(2).sum(), at, create_graph=True)[0]


INSIDE = {
    "vmap": torch.func.vmap(lambda p: NET(p)),
    "functional call": torch.func.vmap(
        lambda p: torch.func.functional_call(NET, dict(NET.named_parameters()), (p,))
    ),
    "vmap of grad": torch.func.vmap(torch.func.grad(lambda p: NET(p).pow(2).sum())),
    "jvp": lambda x: torch.func.jvp(NET, (x,), (torch.ones_like(x),))[1],
    "autograd": energy_slope,
}


@pytest.mark.parametrize("name", INSIDE)
def test_functions_that_transform_by_themselves(name):
    f, at = INSIDE[name], X.clone().requires_grad_()
    slopes = [torch.autograd.grad(c.sum(), at, create_graph=True)[0] for c in f(at).unbind(-1)]
    exact = sum(slope[:, k] for k, slope in enumerate(slopes))
    found = pinn.divergence(f, X)
    close(found, exact)
    ours, theirs = (
        torch.autograd.grad(d.pow(2).sum(), NET[0].weight, retain_graph=True)[0]
        for d in (found, exact)
    )
    close(ours, theirs)
    second = [
        torch.autograd.grad(slopes[0][:, i].sum(), at, retain_graph=True)[0] for i in range(3)
    ]
    close(lap(X, f)[:, 0], sum(s[:, i] for i, s in enumerate(second)))
    with pytest.raises(ValueError, match="f takes derivatives or maps over its points by itself"):
        pinn.divergence(f, X, strategy="taylor")
