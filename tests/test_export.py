"""A solution as a program: the same numbers without this package, by torch alone or by ONNX."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from equations import Unsteady
from torch import nn

from pinn.export.program_checks import ExportError
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, LidDrivenCavity, TaylorGreen2D
from pinn.solution.solution import Solution

FLOAT = torch.float64
# Only torch and its own needs: an import of the package fails.
ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pinn", "lightning", "jsonargparse"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
import torch
for name in sys.argv[1:]:
    program = torch.export.load(f"{name}.pt2").module()
    torch.save(dict(program(torch.load(f"{name}.pt"))), f"{name}-found.pt")
assert not any(name.split(".")[0] == "pinn" for name in sys.modules)
"""


class Pinned(Unsteady):
    def __init__(self):
        super().__init__()
        self.gauges = {"p": "pin"}


def made(problem, network=None, dtype=FLOAT):
    torch.manual_seed(0)
    solution = Solution(problem, network or MLP(8, 2)).to(dtype)
    with torch.no_grad():  # the pressure of the bare network is far from its gauge
        list(solution.parameters())[-1].add_(409.0)
    return solution


def inside(solution, count):
    geometry = solution.problem.geometry
    lower, upper = torch.tensor(geometry.lower), torch.tensor(geometry.upper)
    dtype = next(solution.parameters()).dtype
    return (lower + (upper - lower) * torch.rand(count, len(lower), dtype=FLOAT)).to(dtype)


def compare(solution, found, points, derivatives, tolerance=1e-12):
    expected = solution(points)
    there = solution.at(points)
    expected |= {name: there[name] for name in derivatives}
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)


def test_programs_run_without_this_package(tmp_path):
    cases = {"open": (Kovasznay, ("vorticity", "u.x")), "closed": (LidDrivenCavity, ())}
    solutions = {name: made(problem()) for name, (problem, _) in cases.items()}
    points = {name: inside(solution, 23) for name, solution in solutions.items()}
    for name, solution in solutions.items():
        solution.export(tmp_path / f"{name}.pt2", cases[name][1])
        torch.save(points[name], tmp_path / f"{name}.pt")
    command = [sys.executable, "-c", ALONE, *cases]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    for name, solution in solutions.items():
        found = torch.load(tmp_path / f"{name}-found.pt")
        compare(solution, found, points[name], cases[name][1])
        assert found["p"].abs().max() < 100  # not what the bare network says


CASES = [
    (TaylorGreen2D, ("u.t", "p.x", "divergence")),  # ansatz, no gauge
    (Unsteady, ("p.t", "p.x", "u.laplacian")),  # a mean at every instant
    (Pinned, ("p.t",)),
]


@pytest.mark.parametrize(("problem", "derivatives"), CASES)
def test_with_time(problem, derivatives, tmp_path):
    solution = made(problem())
    solution.export(tmp_path / "flow.pt2", derivatives)
    program = torch.export.load(tmp_path / "flow.pt2").module()
    for count in (1, 7, 1000):
        points = inside(solution, count)
        compare(solution, program(points), points, derivatives)


class Recurrent(nn.Module):
    """A network without a fused pass."""

    def __init__(self):
        super().__init__()
        self.cell, self.output = nn.GRUCell(2, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.output(self.cell(x))


@pytest.mark.parametrize("strategy", ["loop", "vmap"])
def test_a_network_that_is_differentiated_in_reverse(strategy, tmp_path):
    solution = made(Kovasznay(), Recurrent())
    solution.strategy = {"all": strategy}
    solution.export(tmp_path / "flow.pt2", ("u.x", "p.laplacian"))
    assert solution.strategy == {"all": strategy}
    program = torch.export.load(tmp_path / "flow.pt2").module()
    points = inside(solution, 9)
    compare(solution, program(points), points, ("u.x", "p.laplacian"))


def test_single_precision_and_training_mode(tmp_path):
    solution = made(Kovasznay(), dtype=torch.float32).train()
    solution.export(tmp_path / "flow.pt2")
    assert solution.training
    points = inside(solution, 9)
    program = torch.export.load(tmp_path / "flow.pt2").module()
    compare(solution, program(points), points, (), 1e-4)


def test_torch_export_of_the_solution_itself():
    solution = made(Kovasznay())
    dynamic = ({0: torch.export.Dim("n")},)
    exported = torch.export.export(solution, (inside(solution, 5),), dynamic_shapes=dynamic)
    points = inside(solution, 31)
    compare(solution, exported.module()(points), points, ())
    with pytest.raises(RuntimeError, match=r"taken at every instant.*use solution.export"):
        torch.export.export(made(Unsteady()), (inside(made(Unsteady()), 5),))


@pytest.mark.filterwarnings("ignore:.torch.jit.trace")
def test_a_bare_network_is_refused():
    solution = made(Kovasznay())
    network, points = solution.networks["all"], inside(solution, 5)
    message = r"a network of Kovasznay by itself.* lacks the gauge of 'p': use solution.export"
    with pytest.raises(RuntimeError, match=message):
        torch.export.export(network, (points,))
    with pytest.raises(RuntimeError, match=message):
        torch.jit.trace(network, points)
    assert network(points).shape == (5, 3)  # called, it is what it is
    plain = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
    Solution(LidDrivenCavity(), plain)
    with pytest.raises(RuntimeError, match="lacks the ansatz and the gauge of 'p'"):
        torch.export.export(plain, (points.float(),))


def test_a_network_that_is_the_solution_is_exported():
    class Heat(Problem):
        coordinates, unknowns, geometry = ("x", "y"), {"T": 1}, Rectangle()

        @on("boundary")
        def walls(self, T):
            return T

    network = MLP(4, 1)
    solution = Solution(Heat(), network).double()
    points = inside(solution, 3)
    found = torch.export.export(network, (points,)).module()(points)
    torch.testing.assert_close(found[:, 0], solution(points)["T"])


def run_onnx(path, points):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {"points": points.numpy()})
    return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}


@pytest.mark.parametrize(("dtype", "tolerance"), [(FLOAT, 1e-12), (torch.float32, 1e-4)])
def test_onnx(dtype, tolerance, tmp_path):
    pytest.importorskip("onnxscript")
    solution = made(Kovasznay(), dtype=dtype)
    solution.export(tmp_path / "flow.onnx", ("vorticity",))
    for count in (1, 40):
        points = inside(solution, count)
        found = run_onnx(tmp_path / "flow.onnx", points)
        compare(solution, found, points, ("vorticity",), tolerance)


class Gelu(nn.Module):
    """onnxruntime has no error function in double precision."""

    def __init__(self):
        super().__init__()
        self.inner, self.output = nn.Linear(2, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.output(nn.functional.gelu(self.inner(x)))


def test_onnx_where_the_runtime_has_no_kernel(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    with pytest.raises(
        ExportError, match=r"has no Erf in float64: write a \.pt2 file, or"
    ) as raised:
        made(Kovasznay(), Gelu()).export(tmp_path / "flow.onnx")
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


class Numbers(nn.Module):
    """Python numbers that single precision does not hold, and functions that onnxruntime lacks."""

    def __init__(self):
        super().__init__()
        self.inner, self.output = nn.Linear(2, 6), nn.Linear(6, 3)

    def forward(self, x):
        z = self.inner(x * 0.3 + 0.1)
        z = (
            torch.atan(z)
            + 0.1 * torch.acos(0.1 * z) * torch.asin(0.1 * z)
            + torch.sinh(0.7 * z)
            - torch.tan(0.1 * z) / 0.3
            + 0.9**z
        )
        return self.output(torch.where(z > 0.1, z, 1 - torch.cosh(z)).clamp(-0.9, 0.9))


@pytest.mark.parametrize(
    ("problem", "network", "derivatives"),
    [
        (LidDrivenCavity, None, ()),  # the corner flow has angles
        (Kovasznay, Numbers(), ()),
        (Unsteady, None, ("p.t", "p.x")),
    ],
)
def test_onnx_in_double_precision(problem, network, derivatives, tmp_path):
    pytest.importorskip("onnxscript")
    solution = made(problem(), network)
    solution.export(tmp_path / "flow.onnx", derivatives)
    for count in (1, 500):
        points = inside(solution, count)
        compare(solution, run_onnx(tmp_path / "flow.onnx", points), points, derivatives)


def test_without_onnx_the_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match="not installed: pip install onnx onnxscript"):
        made(Kovasznay()).export(tmp_path / "flow.onnx")


@pytest.mark.parametrize(
    ("name", "derivatives", "message"),
    [
        ("flow.pth", (), "'flow.pth' ends in none of .pt2, .onnx"),
        ("flow.pt2", ("u.z",), "'u.z' is no derivative here"),
    ],
)
def test_a_mistake_is_one_line(name, derivatives, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        made(Kovasznay()).export(tmp_path / name, derivatives)


class Sharp(nn.Module):
    """The mean of p over x jumps in time."""

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(1e6, dtype=FLOAT))

    def forward(self, z):
        return torch.stack([z[..., 0], torch.tanh(self.rate * (z[..., 1] - 1))], -1)


def test_a_mean_that_jumps_is_taken_directly(tmp_path):
    solution = Solution(Unsteady(), Sharp())
    solution.export(tmp_path / "flow.pt2")
    program = torch.export.load(tmp_path / "flow.pt2").module()
    for count in (1, 300):
        points = inside(solution, count)
        found = program(points)
        compare(solution, found, points, ())
        assert found["p"].abs().max() < 1e-12  # p does not depend on x


def test_beyond_the_time_of_the_domain_a_mean_is_not_known(tmp_path):
    solution = made(Unsteady())
    solution.export(tmp_path / "flow.pt2", ("p.x",))
    found = torch.export.load(tmp_path / "flow.pt2").module()(torch.tensor([[1.0, 3.5]]).double())
    assert found["p"].isnan().all()
    assert found["u"].isfinite().all()
    assert found["p.x"].isfinite().all()


def test_the_copy_is_frozen(tmp_path):
    solution = made(Kovasznay())
    points = inside(solution, 4)
    before = solution(points)["p"]
    solution.export(tmp_path / "flow.pt2")
    with torch.no_grad():
        for parameter in solution.parameters():
            parameter.mul_(2)
    found = torch.export.load(tmp_path / "flow.pt2").module()(points)["p"]
    np.testing.assert_allclose(found.detach(), before, rtol=1e-12)
