"""Every kind of network is exported, or refused in one line; a network alone is not."""

import math

import pytest
import torch
from equations import Unsteady
from test_export import compare, inside, made
from torch import nn

from pinn.export.program_checks import ExportError
from pinn.fields.functions import sin
from pinn.fields.vector_calculus import grad, laplacian
from pinn.geometry import Rectangle
from pinn.networks import MLP, FourierFeatures, Periodic
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, Poisson


class Two(Problem):
    """A coefficient in the ansatz, a gauge, an unknown of its own network."""

    coordinates, unknowns = ("x", "y"), {"T": 1, "q": 2}
    geometry = Rectangle(x=(0, 2 * math.pi), y=(-1, 1))

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(0.7))

    def ansatz(self, raw, at):
        return {"T": raw["T"] + self.rate * sin(at[:, 0]), "q": raw["q"]}

    @on("interior")
    def balance(self, T, q):
        return grad(T) + q

    @on("interior")
    def heat(self, T):
        return laplacian(T)


def apart():
    return {"T": MLP(6, 2), "q": MLP(6, 2)}


def sharing():
    trunk = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
    return {name: nn.Sequential(trunk, nn.Linear(8, n)) for name, n in {"T": 1, "q": 2}.items()}


def dropped(outputs):
    return nn.Dropout(0.5), nn.GELU(), nn.Linear(6, outputs)


def periodic():
    return MLP(6, 2, embedding=Periodic({"x": 2 * math.pi}))


class Attention(nn.Module):
    """Attention over the features of a point."""

    def __init__(self):
        super().__init__()
        self.lift, self.mix = nn.Linear(1, 4), nn.MultiheadAttention(4, 2, batch_first=True)
        self.output = nn.Linear(8, 3)

    def forward(self, x):
        z = self.lift(x[..., None])
        return self.output(self.mix(z, z, z)[0].flatten(-2))


CASES = {
    "apart": (Two, apart, ("T.xy", "q.divergence")),
    "sharing": (Two, sharing, ("T.laplacian",)),
    "periodic": (Two, periodic, ("T.x",)),
    "features": (Kovasznay, lambda: MLP(6, 2, embedding=FourierFeatures(4)), ("vorticity",)),
    "attention": (Kovasznay, Attention, ("u.x",)),
    "norm": (
        Kovasznay,
        lambda: nn.Sequential(nn.Linear(2, 6), nn.LayerNorm(6), nn.SiLU(), *dropped(3)),
        ("u.y",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_program_gives_the_numbers_of_the_solution(name, tmp_path):
    problem, network, derivatives = CASES[name]
    solution = made(problem(), network()).eval()
    solution.export(tmp_path / "flow.pt2", derivatives)
    program = torch.export.load(tmp_path / "flow.pt2").module()
    for count in (1, 7, 1000):
        points = inside(solution, count)
        compare(solution, program(points), points, derivatives)


def test_single_precision_with_a_large_constant(tmp_path):
    solution = made(Unsteady(), dtype=torch.float32)
    solution.export(tmp_path / "flow.pt2", ("p.t",))
    points = inside(solution, 100)
    found = torch.export.load(tmp_path / "flow.pt2").module()(points)
    compare(solution, found, points, ("p.t",), 2e-3)  # of 409, to the digits of float32


class Deciding(nn.Module):
    def __init__(self):
        super().__init__()
        self.output = nn.Linear(2, 3)

    def forward(self, x):
        return self.output(x) if float(x.detach().max()) < 100 else self.output(-x)


class Leaving(Deciding):
    def forward(self, x):
        return self.output(x) + torch.from_numpy(x.detach().numpy().sum(-1, keepdims=True))


class Counting(Deciding):
    def forward(self, x):
        return self.output(x) + torch.ones(len(x), 1, dtype=x.dtype)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Deciding, "it decides in Python by the values of its points.*write torch.where"),
        (Leaving, "it leaves torch, for NumPy"),
        (Counting, "only as many points.*x.shape"),
    ],
)
def test_a_network_that_cannot_be_traced_is_refused_in_one_line(network, message, tmp_path):
    with pytest.raises(ExportError, match=message) as raised:
        made(Kovasznay(), network()).export(tmp_path / "flow.pt2")
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the folder .*no does not exist"):
        made(Poisson()).export(tmp_path / "no" / "flow.pt2")


def test_plain_use_of_a_guarded_network():
    solution = made(Kovasznay())
    network, points = solution.networks["all"], inside(solution, 5)
    expected = network(points)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(points), expected)
    torch.testing.assert_close(torch.vmap(network)(points), expected)
    state = dict(network.named_parameters())
    torch.testing.assert_close(torch.func.functional_call(network, state, points), expected)
    whole = torch.compile(solution, backend="eager")(points)
    torch.testing.assert_close(whole["u"], solution(points)["u"])


def said(way):
    """What a way that has to fail says; each has errors of its own."""
    try:
        way()
    except Exception as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore")
def test_a_bare_network_is_not_exported_in_any_way(tmp_path):
    solution = made(Kovasznay(), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3)))
    network, points = solution.networks["all"], inside(solution, 5)
    wrapped = nn.Sequential(network, nn.Identity())
    ways = {
        "export": lambda: torch.export.export(network, (points,)),
        "strict": lambda: torch.export.export(network, (points,), strict=True),
        "inside another": lambda: torch.export.export(wrapped, (points,)),
        "trace": lambda: torch.jit.trace(network, points),
        "onnx": lambda: torch.onnx.export(network, (points,), dynamo=True, verbose=False),
        "onnx by trace": lambda: torch.onnx.export(network, (points,), "n.onnx", dynamo=False),
    }
    assert {name: "solution.export('file.pt2')" in said(way) for name, way in ways.items()} == (
        dict.fromkeys(ways, True)
    )
    with pytest.raises(AttributeError):  # torch's own words: it cannot read the guard
        torch.jit.script(network)
