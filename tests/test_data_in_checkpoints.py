"""What a run has read from files travels in its checkpoints."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pinn
from pinn.checkpoints.file import CheckpointError, read
from pinn.checkpoints.writing import write
from pinn.geometry import Interval
from pinn.physics.problem import Problem
from pinn.physics.residuals import on

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "phases": [pinn.Phase(optimizer="LevenbergMarquardt", steps=9)],
    "points": {"interior": 20},
    "folder": "runs",
    "enable_progress_bar": False,
    "logger": False,
    "val_check_interval": 10**6,
}
SENSORS = "x [m],T,sigma\n0.2,0.4,0.1\n0.6,1.2,0.1\n0.9,1.8,0.2\n"


class Line(Problem):
    """u' = k, u(0) = 0, T measured."""

    coordinates, unknowns, columns = ("x",), {"u": 1}, ("T",)
    geometry = Interval().with_points(
        "sensors", "sensors.csv", {"x": "x [m]", "T": "T"}, deviations="sigma"
    )

    def __init__(self):
        super().__init__()
        self.k = torch.nn.Parameter(torch.tensor(1.0))

    @on("interior")
    def slope(self, u):
        return pinn.partial(u, "x") - self.k

    @on("left")
    def start(self, u):
        return u

    @on("sensors")
    def seen(self, u, T):
        return u - T


def train(steps, **more):
    return pinn.fit(Line(), pinn.MLP(8, 1, spread=2.0), max_steps=steps, **SETTINGS, **more)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with the files, and the checkpoint of a run that used them."""
    folder = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("sensors.csv").write_text(SENSORS)
        Path("known.csv").write_text("x,u\n0.5,1\n1,2\n")
        train(1, reference="known.csv")
        (checkpoint,) = (folder / "runs").glob("line/*/checkpoints/*.ckpt")
    return checkpoint


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_solution_opens_without_the_files(run):
    solution = pinn.load(run, problem=Line)
    points = solution.problem.geometry.sample("sensors", 1)
    assert points.at.tolist() == [[0.2], [0.6], [0.9]]
    assert points.columns["T"].tolist() == [0.4, 1.2, 1.8]
    torch.testing.assert_close(points.importance, torch.tensor([4.0, 4.0, 1.0]).double() / 3)
    assert solution(torch.tensor([[0.5]]))["u"].isfinite().all()
    with pytest.raises(ValueError, match=r"points 'sensors': sensors.csv does not exist: looked"):
        Line()  # the class itself knows of no checkpoint


def test_a_checkpoint_takes_the_place_of_another_file(run):
    Path("sensors.csv").write_text(SENSORS.replace("1.8", "7.7"))
    points = pinn.load(run, problem=Line).problem.geometry.sample("sensors", 1)
    assert points.columns["T"].tolist() == [0.4, 1.2, 1.8]
    assert Line().geometry.sample("sensors", 1).columns["T"].tolist() == [0.4, 1.2, 7.7]


def test_a_resumed_run_keeps_its_reference_and_says_that_a_file_has_changed(run, capsys):
    Path("sensors.csv").write_text(SENSORS.replace("1.8", "1.9"))
    shutil.copytree(run.parents[1], "again")
    train(2, resume=Path("again", *run.parts[-2:]))
    told = capsys.readouterr().out
    assert (
        "resuming with other points 'sensors': sensors.csv has changed since the saved run" in told
    )
    assert "errors are against known.csv" in told
    Path("sensors.csv").write_text("# the same numbers\n" + SENSORS)
    Path("other.csv").write_text("x,u\n0.5,1\n0.7,1.4\n1,2\n")
    newest = max(Path("again").glob("checkpoints/*.ckpt"))
    train(3, resume=newest, reference="other.csv")
    told = capsys.readouterr().out
    assert "resuming with another reference: other.csv, 3 points, where the saved run had" in told
    assert "errors are against other.csv" in told


def test_damaged_points_are_refused(run):
    contents = read(run)
    contents["pinn"]["measured"]["sensors"]["columns"]["T"] = torch.zeros(2)
    write(contents, Path("bad.ckpt"))
    with pytest.raises(
        CheckpointError, match=r"pinn.measured is .*: expected the points read from"
    ):
        read("bad.ckpt")


CONFIG = """
model:
  problem: {class_path: mine.Line}
  network: {class_path: MLP, init_args: {width: 8, depth: 1, spread: 2.0}}
  phases: [{optimizer: LevenbergMarquardt, steps: 1}]
  reference: {file: known.csv, source: a table}
data: {points: {interior: 20}}
trainer: {logger: false, enable_progress_bar: false}
"""


def program(*words):
    command = [sys.executable, str(ROOT / "train.py"), *words, "--allow_import", "mine"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.strip()


def test_the_command_line_takes_files_from_beside_the_configuration_and_from_checkpoints():
    source = Path(__file__).read_text(encoding="utf-8")
    body = source[source.index("class Line") : source.index("def train")]
    Path("set_up").mkdir()
    Path("set_up/mine.py").write_text(
        "import pinn, torch\nfrom pinn import Interval, Problem, on\n\n" + body
    )
    files = {"sensors.csv": SENSORS, "known.csv": "x,u\n0.5,1\n1,2\n", "line.yaml": CONFIG}
    for name, text in files.items():
        Path("set_up", name).write_text(text)
    code, out, err = program("--config", "set_up/line.yaml")
    assert (code, err) == (0, "")
    assert "errors are against a table" in out
    for name in ("sensors.csv", "known.csv"):
        Path("set_up", name).unlink()
    code, out, err = program(
        "--config", "set_up/line.yaml", "--resume", "auto", "--more_steps", "1"
    )
    assert (code, err) == (0, "")
    assert "taking the 3 points of the checkpoint" in out
    assert "taking the reference of the checkpoint" in out
    assert "errors are against a table" in out
    Path("set_up/sensors.csv").write_text(SENSORS.replace("1.2", "n/a"))
    code, out, err = program("--config", "set_up/line.yaml")
    assert code == 2
    assert err == "train.py: sensors.csv, line 3, column 'T': 'n/a' is not a number"
