"""A divergence from a recorded or compiled graph: the numbers of the Python, whatever changes."""

import sys
import warnings
from types import SimpleNamespace

import pytest
import torch
from oracle import points
from torch import nn
from torch.func import functional_call

from pinn.base.costs import tally
from pinn.choosing.choice import Choice
from pinn.operators import evaluation, graphs
from pinn.operators.divergence import Divergence
from pinn.recording.tanh import rational

EXACT = ("taylor", "vmap", "loop")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Graphs are recorded at the first call, and kept however slow."""
    monkeypatch.setattr(graphs, "RECORDING", -1.0)
    monkeypatch.setattr(graphs, "FASTER", float("inf"))


def network(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), *layers, nn.Linear(8, 3)).double()


def is_recorded(values):
    return type(values.grad_fn).__name__ == "RecordedBackward"


def results(div, f, x, ends):
    """The values, their gradient, and whether they come from a graph."""
    values = div(f, x)
    slopes = torch.autograd.grad(
        values.sin().sum(), ends, materialize_grads=True, retain_graph=True
    )
    return is_recorded(values), values.detach(), *slopes


def assert_same(f, x, ends, strategy="loop", recorded=True, **settings):
    """A graph and the Python agree, at the first call and at the next ones."""
    for _ in range(2):
        was, *found = results(Divergence(strategy, **settings), f, x, ends)
        assert was == recorded
        _, *wanted = results(Divergence(strategy, compile=False, **settings), f, x, ends)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("strategy", EXACT)
def test_values_and_gradients_are_those_of_the_python(strategy):
    net, x = network(), points(20, 3).requires_grad_()
    assert_same(net, x, [*net.parameters(), x], strategy)
    assert_same(lambda x: net(x) * x, x, [*net.parameters(), x], strategy)
    assert_same(net, points(4, 5, 3), list(net.parameters()), strategy)
    with torch.no_grad():
        values = Divergence(strategy)(net, x)
        assert torch.equal(values, Divergence(strategy, compile=False)(net, x))
        assert not values.requires_grad
    with torch.inference_mode():
        assert torch.equal(Divergence(strategy)(net, x), values)


def test_a_second_derivative_is_that_of_the_python():
    net, x = network(), points(20, 3).requires_grad_()

    def penalty(div):
        values = div(net, x)
        slope = torch.autograd.grad(values.sum(), x, create_graph=True)[0]
        return is_recorded(values), torch.autograd.grad(slope.square().sum(), net[0].weight)[0]

    (is_from_graph, found), (_, wanted) = (
        penalty(Divergence("loop")),
        penalty(Divergence("loop", compile=False)),
    )
    assert is_from_graph
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("strategy", ["chain", *EXACT])
@pytest.mark.parametrize("same", [True, False])
def test_a_second_derivative_needs_the_weights_of_the_first(strategy, same):
    net, x = network(), points(20, 3).requires_grad_()
    div, part = Divergence(strategy), nn.ModuleList([net])
    part.forward = lambda at: div(net, at)
    weights = {f"0.{name}": w.detach().clone() for name, w in net.named_parameters()}
    if not same:
        weights = {name: 2 * w for name, w in weights.items()}
    for w in weights.values():
        w.requires_grad_()
    for _ in range(2):
        values = functional_call(part, weights, (x,))
    assert is_recorded(values)
    with pytest.raises(RuntimeError, match="f is no longer what it was in the forward pass"):
        torch.autograd.grad(values.sum(), x, create_graph=True)


@pytest.mark.parametrize("memory", [None, 1e-5])
def test_points_may_follow_from_the_weights(memory):
    net, start = network(), points(20, 3)

    def derivatives(compile, memory=None):
        """Up to the third, by the weights that also move the points."""
        div = Divergence("loop", compile=compile, memory=memory)
        x = start + net(start)
        value = div(net, x).square().sum()
        first = torch.autograd.grad(value, net[0].weight, create_graph=True)[0]
        second = torch.autograd.grad(first.square().sum(), net[0].bias, create_graph=True)[0]
        return value, first, second, torch.autograd.grad(second.square().sum(), net[2].weight)[0]

    for _ in range(2):
        for a, b in zip(derivatives("auto", memory), derivatives(False), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(derivatives(False)[1], by_hand(net, start), rtol=1e-10, atol=1e-10)


def by_hand(net, start):
    """∂ Σ (∇·net)² / ∂W at start + net(start), by nested reverse mode."""
    x = start + net(start)
    rows = [
        torch.autograd.grad(net(x)[:, k].sum(), x, create_graph=True)[0][:, k] for k in range(3)
    ]
    return torch.autograd.grad(sum(rows).square().sum(), net[0].weight)[0]


def written(net):
    net[0].weight.data = net[0].weight.data * 2


def stepped(net):
    torch.optim.SGD(net.parameters(), lr=1.0).step()


def replaced(net):
    net[0].weight = nn.Parameter(net[0].weight.detach() * 3)


def swapped(net):
    net[1] = nn.Softplus()


def tied(net):
    net[2].weight = net[3].weight


def transposed(net):
    net[2].weight.data = net[2].weight.data.t()


def evaluated(net):
    net.eval()


def frozen(net):
    net[0].weight.requires_grad_(False)


def buffered(net):
    net[3].scale.mul_(2)


def listed(net):
    net[3].factors.append(2.0)


class Scaled(nn.Linear):
    """A layer that depends on its mode, a buffer and a list."""

    def __init__(self):
        super().__init__(8, 8)
        self.register_buffer("scale", torch.ones(()))
        self.factors = [1.0]

    def forward(self, x):
        return super().forward(x) * self.scale * sum(self.factors) * (2 if self.training else 1)


@pytest.mark.parametrize(
    "change",
    [written, stepped, replaced, swapped, tied, transposed, evaluated, frozen, buffered, listed],
)
def test_a_change_of_the_network_is_seen(change):
    net, x = network(nn.Linear(8, 8), Scaled()), points(20, 3)
    div, plain = Divergence("loop"), Divergence("loop", compile=False)
    for _ in range(3):
        div(net, x).sum().backward()
    assert is_recorded(div(net, x))
    change(net)
    ends = [p for p in net.parameters() if p.requires_grad]
    for _ in range(3):
        _, *found = results(div, net, x, ends)
        _, *wanted = results(plain, net, x, ends)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_other_points_shapes_and_precisions_are_seen():
    net, div = network(), Divergence("loop")
    for x in (points(20, 3), points(20, 3) + 1, points(7, 3), points(20, 3).t().contiguous().t()):
        for _ in range(2):
            wanted = Divergence("loop", compile=False)(net, x)
            torch.testing.assert_close(div(net, x), wanted, rtol=1e-14, atol=0)
    net.float()
    found = div(net, points(20, 3).float())
    assert found.dtype == torch.float32
    assert torch.equal(found, Divergence("loop", compile=False)(net, points(20, 3).float()))


def test_what_a_closure_holds_is_an_input_or_a_key():
    net, x = network(), points(20, 3)
    held = SimpleNamespace(tensor=torch.rand(3, dtype=x.dtype, requires_grad=True), number=2.0)

    def f(x):
        return net(x) * held.tensor * held.number

    assert_same(f, x, [held.tensor, *net.parameters()])
    with torch.no_grad():
        held.tensor.mul_(3)
    assert_same(f, x, [held.tensor, *net.parameters()])
    held.number = 5.0
    assert_same(f, x, [held.tensor, *net.parameters()])
    held.tensor = (net[0].bias[:3] * 2).exp()  # has a graph of its own
    assert_same(f, x, list(net.parameters()), recorded=False)


def test_further_arguments_are_inputs():
    net, x = network(), points(20, 3)
    time = torch.tensor(0.5, dtype=x.dtype, requires_grad=True)

    def f(t, x):
        return net(x) * t

    div, plain = Divergence("loop", argnum=1), Divergence("loop", argnum=1, compile=False)
    for t in (time, time * 2, time * 3):
        found, wanted = div(f, t, x), plain(f, t, x)
        assert torch.equal(found, wanted)
        slopes = [
            torch.autograd.grad(y.square().sum(), time, retain_graph=True)[0]
            for y in (found, wanted)
        ]
        torch.testing.assert_close(*slopes)


def test_what_a_graph_would_leave_out_runs_as_python():
    x, calls = points(20, 3), []
    hooked = network()
    hooked[0].register_forward_hook(lambda *_: calls.append(1))
    assert_same(hooked, x, list(hooked.parameters()), recorded=False)
    before = len(calls)
    Divergence("loop")(hooked, x)
    assert len(calls) > before

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.calls = network(), 0

        def forward(self, x):
            self.calls += 1
            return self.net(x)

    counted = Counted()
    assert_same(counted, x, list(counted.parameters()), recorded=False)
    net = network()
    assert_same(lambda x: net(x) + 0 * torch.randn(3), x, list(net.parameters()), recorded=False)
    assert_same(lambda x: net(x) * float(net[0].weight[0, 0]), x, [net[0].bias], recorded=False)


def test_a_hook_that_comes_later_is_called():
    net, x, calls, div = network(), points(20, 3), [], Divergence("loop")
    for _ in range(3):
        div(net, x)
    net[0].register_forward_hook(lambda *_: calls.append(1))
    div(net, x)
    assert calls


def test_a_change_that_nobody_sees_ends_the_graph(tmp_path):
    net, x, file, div = network(), points(20, 3), tmp_path / "factor", Divergence("loop")
    file.write_text("2.0")

    def f(x):
        return net(x) * float(file.read_text())

    for _ in range(3):
        values = div(f, x)
    assert is_recorded(values)
    file.write_text("6.0")
    with pytest.warns(UserWarning, match="no longer gives the numbers of the Python"):
        again = div(f, x)  # the fourth use is held against the Python
    torch.testing.assert_close(again, 3 * values)
    assert not is_recorded(again)


def test_portions_keep_their_memory():
    net, x = network(), points(501, 3)
    plain = Divergence("loop", memory=1e-4, compile=False)
    div = Divergence("loop", memory=1e-4)

    def peak(operator):
        for _ in range(3):
            operator(net, x).sum().backward()
        return tally(lambda _: operator(net, x).sum().backward(), x).peak

    assert_same(net, x, list(net.parameters()), memory=1e-4, recorded=False)  # each portion is
    assert peak(div) <= 1.2 * peak(plain)


def test_whoever_counts_operations_sees_all_of_them():
    net, x = network(), points(20, 3)
    for _ in range(5):  # checks come at the first uses
        Divergence("loop")(net, x)
    counts = [
        tally(lambda x, c=c: Divergence("loop", compile=c)(net, x), x) for c in ("auto", False)
    ]
    assert counts[0].launches == counts[1].launches > 0


def test_an_evaluation_from_a_graph_makes_few_calls():
    """Half of an evaluation at few points is Python: its functions are counted, not timed."""
    net, x, div = network(nn.Linear(8, 8), nn.Tanh()), points(20, 3), Divergence("loop")
    for _ in range(5):  # checks come after 1, 2, 4 and 8 uses
        assert is_recorded(div(net, x))
    calls = []
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code) if event == "call" else None)
    try:
        div(net, x)
    finally:
        sys.setprofile(None)
    assert 0 < len(calls) <= 200


def test_with_several_processes_no_clock_decides_how_often_f_runs(monkeypatch):
    net, x = network(), points(20, 3)
    monkeypatch.setattr(evaluation, "processes", lambda: 2)
    for _ in range(3):
        assert not is_recorded(Divergence("loop")(net, x))


def test_a_graph_that_is_not_faster_is_not_used(monkeypatch):
    monkeypatch.setattr(graphs, "FASTER", 0.0)
    net, x = network(), points(20, 3)
    for _ in range(3):
        assert not is_recorded(Divergence("loop")(net, x))


def test_a_compiled_divergence_gives_the_numbers_of_the_python():
    net, x = network().float(), points(150, 3).float()
    div, plain = Divergence("taylor", compile=True), Divergence("taylor", compile=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none is there: it was compiled
        for factor in (1.0, 1.1):
            for p in net.parameters():
                p.data = p.data * factor
            was, *found = results(div, net, x, list(net.parameters()))
            _, *wanted = results(plain, net, x, list(net.parameters()))
            assert was
            for a, b in zip(found, wanted, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("loop", "briefest"), [((99, 400), "vmap"), ((20, 400), "loop"), ((None, None), "vmap")]
)
def test_the_compiler_gets_the_fewest_operations_that_cost_no_more(loop, briefest):
    counts = {"taylor": (100, 60), "vmap": (104, 40), "loop": loop}
    table = [{"strategy": s, "flops": f, "operations": n} for s, (f, n) in counts.items()]
    assert Choice("taylor", "", table).briefest == briefest
    assert Choice("taylor", "asked for").briefest == "taylor"


def test_without_a_compiler_a_divergence_is_recorded(monkeypatch):
    import torch._inductor

    monkeypatch.delattr(torch._inductor, "compile")
    net, x = network(), points(20, 3)
    with pytest.warns(UserWarning, match="no compiled divergence"):
        values = Divergence("loop", compile=True)(net, x)
    assert is_recorded(values)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="compile is 'always'"):
        Divergence(compile="always")
    with pytest.raises(ValueError, match="exact strategies"):
        Divergence("hutchinson", compile=True)


def test_the_tanh_of_the_compiler_is_exact_to_four_units():
    x = torch.cat([torch.linspace(-12, 12, 20001), torch.logspace(-30, 0, 20001)])
    exact = x.double().tanh()
    error = (rational(x).double() - exact).abs() / exact.abs().clamp(min=1e-300)
    assert float(error.max()) < 4 * torch.finfo(torch.float32).eps
    ends = rational(torch.tensor([float("inf"), -float("inf"), 0.0, float("nan")]))
    torch.testing.assert_close(ends, torch.tensor([1.0, -1.0, 0.0, float("nan")]), equal_nan=True)
