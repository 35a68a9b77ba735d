"""The harness of the benchmarks, as far as it needs no peer."""

import importlib
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pinn.cli.main import main
from pinn.fields.field import coordinate_field
from pinn.problems import Kovasznay

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a script of the benchmarks as they import one another."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), str(BENCHMARKS / "peers"), *sys.path])
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def case(load):
    step = load("step")
    return step.make_case(step.Size(depth=2, width=8, interior=32, boundary=12))


def results(**rows):
    return {"title": "a size", "flops": 2e9, "gflops": [90.0, 100.0], "rows": rows}


def row(seconds, loss=1.0, **more):
    return {"seconds": seconds, "loss": loss, "peak_mb": 12.3, "setup_mb": None, **more}


def test_flops_are_counted_by_hand(case):
    forward = 2 * (2 * 8 + 8 * 8 + 8 * 3)
    assert case.forward_flops == forward
    assert case.step_flops == (12 * 32 + 3 * 12) * forward


def test_a_case_survives_its_file(case, load, tmp_path):
    case.save(tmp_path / "case.npz")
    again = load("case").Case.load(tmp_path / "case.npz")
    for name in ("interior", "boundary", "velocity"):
        np.testing.assert_array_equal(getattr(again, name), getattr(case, name))
    for kept, given in zip(again.weights + again.biases, case.weights + case.biases, strict=True):
        np.testing.assert_array_equal(kept, given)


def loss_by_hand(case):
    """The loss in float64 from full Jacobians and Hessians."""
    weights = [torch.tensor(w, dtype=torch.float64) for w in case.weights]
    biases = [torch.tensor(b, dtype=torch.float64) for b in case.biases]

    def network(x):
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = torch.tanh(weight @ x + bias)
        return weights[-1] @ x + biases[-1]

    def equations(x):
        y, slopes = network(x), torch.func.jacrev(network)(x)
        curvature = torch.func.jacrev(torch.func.jacrev(network))(x)
        laplacian = torch.einsum("cii->c", curvature)
        momentum = slopes[:2] @ y[:2] + slopes[2] - laplacian[:2] / 40
        return momentum.square().sum() + (slopes[0, 0] + slopes[1, 1]) ** 2

    interior = torch.tensor(case.interior, dtype=torch.float64)
    boundary = torch.tensor(case.boundary, dtype=torch.float64)
    given = torch.func.vmap(network)(boundary)[:, :2] - torch.tensor(case.velocity)
    return float(torch.func.vmap(equations)(interior).mean() + given.square().sum(1).mean())


def test_the_nested_contestant_answers(case, load, tmp_path):
    case.save(tmp_path / "case.npz")
    with load("contestants").step_worker("nested", tmp_path / "case.npz") as worker:
        worker.send({"steps": 1})
        assert worker.receive()["versions"] == {"torch": torch.__version__}
        first = worker.receive(patience=60)
        later = worker.ask({"steps": 3})
        memory = worker.ask({"mark": True})
        worker.ask({"exit": True})
        assert worker.process.wait(timeout=10) == 0
    assert first["loss"] == pytest.approx(loss_by_hand(case), rel=1e-5)
    assert later["loss"] < first["loss"]
    assert 0 < later["seconds"] < 10
    assert memory["peak_mb"] is None or memory["peak_mb"] > 0
    assert not Path(worker.folder.name).exists()


@pytest.mark.slow
def test_our_contestant_minimises_the_same_loss(case, load, tmp_path):
    case.save(tmp_path / "case.npz")
    with load("contestants").step_worker("ours eager", tmp_path / "case.npz") as worker:
        worker.send({"steps": 1})
        assert "pinn" in worker.receive()["versions"]
        assert worker.receive()["loss"] == pytest.approx(loss_by_hand(case), rel=1e-5)
        assert worker.ask({"bare": 2})["seconds"] > 0


def test_a_contestant_that_fails_says_why(load, tmp_path):
    contestants = load("contestants")
    missing = contestants.Contestant(contestants.OWN, "missing.py")
    with (
        contestants.Worker(missing) as worker,
        pytest.raises(contestants.ContestantError, match=r"missing\.py.*No such file"),
    ):
        worker.receive(patience=60)


def test_the_table_compares_with_ours(load):
    text = load("table").step_table(
        results(
            **{
                "ours eager": row([0.1, 0.3, 0.2]),
                "nested": row([0.5]),
                "pina": {"missing": "no environment"},
            }
        )
    )
    assert "| ours eager | 200.00 (100.00–300.00) | 1.00 | 10% | 12 | — |" in text
    assert "| nested | 500.00 (500.00–500.00) | 2.50 | 4% | 12 | — |" in text
    assert "| pina | missing: no environment | | | | |" in text
    assert "100 GFLOP/s" in text
    assert "WARNING" not in text


def test_the_overhead_is_a_median_of_pairs(load):
    line = load("table").overhead_line("ours", row([0.1], overhead=[5e-4, -9, 1e-4, 2e-4, 9]))
    assert "ours: 0.20 ms per step (middle half of 5 pairs: 0.10 to 0.50)" in line


@pytest.mark.parametrize(("loss", "warned"), [(1.00005, False), (1.0002, True), (np.nan, True)])
def test_another_loss_is_noticed(load, loss, warned):
    text = load("table").step_table(results(nested=row([0.5]), folx=row([0.5], loss=loss)))
    assert ("WARNING: the first loss of folx" in text) is warned


def test_a_wrong_name_is_refused(load):
    step = load("step")
    assert step.chosen("ours,nested", "cpu") == ["ours eager", "ours compiled", "nested"]
    with pytest.raises(SystemExit, match="unknown contestant 'pinna'"):
        step.chosen("pinna", "cpu")


def test_results_are_stored_with_their_time_and_machine(load, tmp_path, monkeypatch, capsys):
    stored = load("stored")
    monkeypatch.setattr(stored, "RESULTS", tmp_path / "results")
    stored.store("step", {"machine": stored.machine()})
    (path,) = tmp_path.glob("results/step-*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert path.stem == f"step-{found['when']}"
    assert found["machine"]["torch"] == torch.__version__
    assert path.name in capsys.readouterr().out


@pytest.fixture
def contest(load):
    """A counted contest of a small cell."""

    def make(network="dense", d=3, batch=16, mode="gradient"):
        cell = load("cell")
        made = cell.Contest(cell.Cell(network, d, batch, mode), "cpu")
        made.count()
        return made

    return make


def mean_square_by_hand(network, points):
    """Mean (∇·u)² in float64 from full Jacobians."""
    network = network.double()

    def velocity(x):
        y = network(x[None])
        return (torch.cat(y, dim=-1) if isinstance(y, tuple) else y)[0]

    jacobians = torch.func.vmap(torch.func.jacrev(velocity))(points.double())
    return jacobians.diagonal(dim1=1, dim2=2).sum(-1).square().mean().item()


@pytest.mark.parametrize(
    ("network", "mode"), [("dense", "gradient"), ("trunk", "value"), ("heads", "gradient")]
)
def test_every_strategy_is_measured_at_a_cell(contest, load, network, mode):
    made = contest(network, mode=mode)
    result = {**made.run(repeats=2), "peers": {}}
    expected = mean_square_by_hand(made.network, made.points)
    for strategy in ("taylor", "vmap", "loop"):
        row = result["rows"][strategy]
        assert row["value"] == pytest.approx(expected, rel=1e-4)
        assert len(row["seconds"]) == 2
        assert min(*row["seconds"], row["flops"], row["memory"], row["operations"]) > 0
    assert result["auto"]["strategy"] in ("chain", "taylor", "vmap", "loop")
    assert result["auto"]["seconds"] > 0
    assert "agree" in load("divergence_table").disagreement_lines([result])[0]


def test_heads_share_what_their_names_say(load):
    velocity, flow = load("velocity"), load("flow").Flow(3, 8)
    x = torch.tensor(flow.points)
    for name, shared in (("trunk", True), ("heads", False)):
        network = velocity.velocity(name, flow)
        network(x)[1].sum().backward()
        touched = {i for i, head in enumerate(network.heads) if head[0].weight.grad is not None}
        assert touched == {1}
        assert (len(list(network.trunk.parameters())) > 0) is shared


def test_the_backward_pass_is_counted(contest):
    value, gradient = (contest(mode=mode).rows["loop"]["flops"] for mode in ("value", "gradient"))
    assert gradient > 2.5 * value


def test_what_is_too_dear_is_left_out(contest, load):
    cell, cost = load("cell"), load("pinn.base.costs").Cost
    assert cell.too_dear(cost(1.0, 8 * 2**30, 1.0, 1.0), seconds=30.0) is None
    assert "9.0 GiB" in cell.too_dear(cost(1.0, 9 * 2**30, 1.0, 1.0), seconds=1.0)
    assert "31 s" in cell.too_dear(cost(1.0, 1.0, 1.0, 1.0), seconds=31.0)
    made = contest("heads", d=2)
    made.rows["vmap"]["skipped"] = "too dear"
    result = made.run(repeats=1)
    assert "seconds" not in result["rows"]["vmap"]
    assert "vmap: too dear" in load("divergence_table").skipped_lines([result])[1]


def divergence_row(seconds, value=1.0):
    return {"seconds": seconds, "value": value, "flops": 2e9, "memory": 2**20, "operations": 9.0}


def divergence_result(auto="taylor", **rows):
    return {
        "network": "dense",
        "d": 3,
        "batch": 64,
        "mode": "value",
        "hidden": 3,
        "width": 128,
        "rows": rows,
        "auto": {"strategy": auto, "reason": "a reason", "seconds": 0.1},
        "peers": {"pina": {"seconds": 0.5, "value": 1.0}},
    }


@pytest.mark.parametrize(
    ("taylor", "good"),
    [
        ([0.109, 0.109, 0.109], True),
        ([0.111, 0.111, 0.111], False),
        ([0.100, 0.120, 0.131], True),  # within its own spread
        ([0.160, 0.160, 0.160], False),
    ],
)
def test_a_choice_is_judged(load, taylor, good):
    table = load("divergence_table")
    result = divergence_result(
        taylor=divergence_row(taylor),
        loop=divergence_row([0.1] * 3),
        hutchinson=divergence_row([0]),
    )
    judged = table.verdict(result)
    assert judged.best == "loop"
    assert judged.ratio == pytest.approx(10 * sorted(taylor)[1])
    assert judged.good is good
    lines = "\n".join(table.verdict_lines([result]))
    assert ("in 1 of 1 cells" in lines) is good
    assert ("MISSED" in lines) is not good
    assert ("chosen for a reason" in lines) is not good


def test_a_choice_that_was_not_measured_is_wrong(load):
    table = load("divergence_table")
    result = divergence_result(taylor={"skipped": "31 s"}, loop=divergence_row([0.1]))
    assert table.verdict(result).ratio == float("inf")
    assert not table.verdict(result).good
    assert table.verdict(divergence_result(taylor={"skipped": "31 s"})) is None


def test_the_divergence_table_marks_the_choice(load):
    rows = {"taylor": divergence_row([0.1, 0.3, 0.2]), "loop": divergence_row([0.4])}
    text = load("divergence_table").tables([divergence_result(**rows)], ["pina", "jax"])
    row = "| 3 | 64 | — | **200** / 1 / 2 | — | 400 (×1) / 1 / 2 | — | 1.00 | 500 | — |"
    assert row in text.splitlines()


def test_another_divergence_is_noticed(load):
    rows = {"taylor": divergence_row([0.1], 1.0002), "hutchinson": divergence_row([0.1], 3.0)}
    lines = load("divergence_table").disagreement_lines(
        [divergence_result(loop=divergence_row([0.1]), **rows)]
    )
    assert len(lines) == 1
    assert "taylor has mean square 1.0002, not 1" in lines[0]


def test_a_peer_gives_the_same_divergence(load, contest, monkeypatch):
    peers = load("divergence_peers")
    made = contest()
    with peers.Peers(["nested"]) as others:
        assert others.ask(made.cell._replace(network="heads")) == {}
        answer = others.ask(made.cell)["nested"]
        process = others.workers["nested"].process
        monkeypatch.setattr(peers, "PATIENCE", 0.0)
        assert others.ask(made.cell)["nested"] == {"skipped": "no answer within 0 s"}
        assert process.poll() is not None
        assert others.workers == {}
    assert answer["value"] == pytest.approx(
        mean_square_by_hand(made.network, made.points), rel=1e-4
    )
    assert 0 < answer["seconds"] < 10


def test_the_figure_shows_what_was_measured(load, tmp_path):
    figure = load("divergence_figure")
    result = divergence_result(taylor=divergence_row([0.1]), loop={"skipped": "31 s"})
    panel = load("matplotlib.figure").Figure().subplots()
    figure.fill(panel, [result], ["pina"])
    drawn = {line.get_label(): list(line.get_ydata()) for line in panel.lines}
    assert drawn["taylor"] == drawn["auto's choice"] == [100.0]
    assert drawn["PINA"] == [500.0]
    assert drawn["loop"] == drawn["vmap"] == []
    figure.draw([result], ["pina"], tmp_path / "cost.png")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_options_are_refused(load, capsys):
    divergence = load("divergence")
    for given, words in (
        (["--figure", "a.png", "--networks", "heads"], "add --networks dense"),
        (["--dims", "0"], "at least 1"),
    ):
        with pytest.raises(SystemExit):
            divergence.arguments(given)
        assert words in capsys.readouterr().err


def test_the_commands_of_the_pages_exist(load, monkeypatch, capsys):
    """They take minutes to hours; what is held here is that they are understood."""
    asked = {}
    pages = ("accuracy", "benchmarks", "reliability", "scaling")
    for page in ("README.md", *(f"docs/{name}.md" for name in pages)):
        text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
        for script, options in re.findall(r"^\S*python (benchmarks/\S+)(.*)$", text, re.M):
            given = {word for word in options.split() if word.startswith("--")}
            asked.setdefault(script, set()).update(given)
    assert len(asked) >= 7
    for script, options in asked.items():
        monkeypatch.setattr(sys, "argv", [script, "--help"])
        monkeypatch.setattr(sys, "path", [str((ROOT / script).parent), *sys.path])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        assert left.value.code == 0, script
        said = capsys.readouterr().out
        assert [option for option in options if option not in said] == [], script


def curve(*errors):
    return {"curve": [[10.0 * (k + 1), error, 1.0] for k, error in enumerate(errors)]}


def test_accuracy_tells_when_an_error_was_reached(load, tmp_path):
    accuracy = load("accuracy")
    runs = [curve(1.0, 5e-5, 1e-9), curve(1.0, 1e-2, 5e-7), curve(1.0, 1e-5, 1e-7)]
    lines = accuracy.table({"kovasznay": [runs, runs, runs]}).splitlines()[2:]
    assert lines == [
        "| kovasznay | 1e-04 | 15 s | 20 s | 0 of 3 | 1.0e-07 | 30 s |",
        "| kovasznay | 1e-06 | 40 s | 30 s | 3 of 3 | 1.0e-07 | 30 s |",
        "| kovasznay | 1e-08 | 180 s | not reached | 1 of 3 | 1.0e-07 | 30 s |",
    ]
    accuracy.draw({"kovasznay": runs}, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


@pytest.mark.slow
def test_accuracy_watches_a_run(load):
    found = load("watched").configuration("poisson", 0)
    seconds, errors, losses = zip(*found["curve"], strict=True)
    assert seconds[0] > 1  # imports count
    assert list(seconds) == sorted(seconds)
    assert errors[-1] < 1e-8 < errors[0]
    assert losses[-1] < losses[0]
    assert found["others"] is None or found["others"] >= 0


def test_a_package_has_a_run_for_each_of_the_times(load, tmp_path, monkeypatch):
    accuracy, watched = load("accuracy"), load("watched")
    monkeypatch.setattr(watched, "RESULTS", tmp_path)
    (tmp_path / "accuracy").mkdir()
    for seconds, error in ((15, 1e-1), (40, 1e-2), (180, 1e-9)):
        path = tmp_path / "accuracy" / f"kovasznay-pina-{seconds}s-7.json"
        path.write_text(json.dumps({"curve": [[seconds - 1, error, None]]}))
    found = accuracy.runs("kovasznay-pina", [7], again=False)
    assert accuracy.table({"kovasznay-pina": found}).splitlines()[2:] == [
        "| kovasznay-pina | 1e-04 | 15 s | not reached | 0 of 1 | 1.0e-01 | 14 s |",
        "| kovasznay-pina | 1e-06 | 40 s | not reached | 0 of 1 | 1.0e-02 | 39 s |",
        "| kovasznay-pina | 1e-08 | 180 s | 179 s | 1 of 1 | 1.0e-09 | 179 s |",
    ]


def test_a_run_is_measured_once_or_again(load, tmp_path, monkeypatch):
    watched = load("watched")
    monkeypatch.setattr(watched, "RESULTS", tmp_path)
    answers = iter([{"curve": [[1.0, 0.5, None]]}, {"curve": [[1.0, 0.25, None]]}])

    def errors(**again):
        return [e for _, e, _ in watched.kept("a", lambda: next(answers), **again)["curve"]]

    assert [errors(), errors(), errors(again=True), errors()] == [[0.5], [0.5], [0.25], [0.25]]


def test_other_work_is_told(load):
    told = load("watched").disturbance
    quiet, loud = {"others": 0.01, "threads": None}, {"others": 1.26, "threads": "1"}
    assert told([quiet, quiet]) == "2 runs; threads: all."
    assert told([quiet, loud, {}]) == (
        "3 runs; 1 of them while other work kept up to 1.3 cores busy; 1 without a record of what "
        "else ran; threads: 1, all."
    )


def test_a_process_that_writes_no_curve_says_why(load):
    watched = load("watched")
    command = [sys.executable, "-c", "raise ValueError('no such thing')"]
    with pytest.raises(SystemExit, match=r"^a run: ValueError: no such thing$"):
        watched.watched(lambda _: command, {}, "a run")


def test_a_package_is_judged_as_a_configuration_is(load, tmp_path):
    watch = load("watch")
    problem = Kovasznay()
    reference = problem.reference()
    path = tmp_path / "curve.jsonl"
    watched = watch.Watch(path, 1e9)
    torch.testing.assert_close(torch.tensor(watched.at), reference.at, rtol=0, atol=1e-14)
    truth = torch.stack([reference.values["u"], reference.values["v"]], dim=-1)
    torch.testing.assert_close(torch.tensor(watched.truth), truth, rtol=0, atol=1e-13)
    assert 0 <= watched.look(lambda at: 1.5 * watch.velocity(at)) < 1
    watched.look(lambda at: at)  # too soon after the first look
    ((seconds, error, loss),) = map(json.loads, path.read_text().splitlines())
    assert (seconds > 0, error, loss) == (True, pytest.approx(0.5), None)
    late = watch.Watch(tmp_path / "late.jsonl", 1e-9)
    late.begun = -1.0
    assert late.look(lambda at: at) > 1
    assert not late.path.exists()


@pytest.mark.slow
def test_an_optimizer_is_a_setting_of_the_configuration(load, here, capsys):
    few = ["--trainer.max_steps", "20", "--model.compile", "false", "--model.derivatives", "taylor"]
    settings = load("optimizers").settings("Adam, then L-BFGS")
    assert main(["--config", "kovasznay", *settings, *few]) == 0
    said = capsys.readouterr().out
    assert "Adam 1000 steps" in said
    assert "LBFGS 350 steps" in said


def test_the_galerkin_method_solves_kovasznay_flow(load):
    classical, flows = load("classical"), load("smooth_flow")
    for reynolds in (20.0, 80.0):
        found = classical.convergence(
            lambda n, r=reynolds: flows.KovasznaySquare(r, n),
            classical.exact(reynolds),
            (6, 10, 12),
        )
        errors = [error for error, _ in found]
        assert errors[0] < 1e-3
        assert errors[1] < errors[0] / 100
        assert errors[2] < 1e-8


def test_the_galerkin_method_converges_for_a_smooth_lid(load):
    classical, flows = load("classical"), load("smooth_flow")
    finer = flows.SmoothCavity(100.0, 20)
    found = classical.convergence(
        lambda n: flows.SmoothCavity(100.0, n), classical.velocity(finer), (8, 12, 16)
    )
    errors = [error for error, _ in found]
    assert errors[0] < 1e-2
    assert errors[1] < errors[0] / 10
    assert errors[2] < 2e-5
    lid = finer.fields(np.array([0.0, 0.3, 1.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(lid["u"][:, 1], [0.0, 16 * 0.21**2, 0.0], atol=1e-12)
    np.testing.assert_allclose(lid["u"][:, 0], 0.0, atol=1e-12)


def test_every_reynolds_number_has_its_exact_solution(load):
    example = load("any_reynolds")
    problem = example.AnyReynolds()
    at = torch.tensor([[0.2, 0.7, 20.0], [0.9, 0.1, 80.0]], dtype=torch.float64)
    exact = problem.exact(coordinate_field(at, problem.geometry.coordinates))
    for row, reynolds in enumerate((20.0, 80.0)):
        fixed = Kovasznay(reynolds)
        one = fixed.exact(coordinate_field(at[row : row + 1, :2], fixed.geometry.coordinates))
        torch.testing.assert_close(exact["u"].value[row], one["u"].value[0])
        torch.testing.assert_close(exact["p"].value[row], one["p"].value[0])
    for region in problem.regions():
        points = problem.geometry.sample(region, 50)
        field = coordinate_field(points.at, problem.geometry.coordinates)
        for residual in problem.residuals:
            if region in residual.regions:
                left = problem.evaluate(residual, problem.exact(field), field, points)
                torch.testing.assert_close(left, torch.zeros_like(left), rtol=0, atol=1e-12)


def test_one_training_knows_every_reynolds_number(load):
    example = load("any_reynolds")
    found = example.measure(0, features=60, steps=4)
    inside = [e for e, r in zip(found["velocity"], found["reynolds"], strict=True) if 20 <= r <= 80]
    assert len(inside) == 16
    assert max(inside) < 0.05
    assert found["classical error"] < 1e-6


def test_lines_of_code_are_neither_blank_nor_comment_nor_docstring(load):
    text = '''"""A module,

    described."""

import math  # used below

# why
def area(
    r: float,
) -> float:
    """π r²"""
    return math.pi * r**2


TEXT = """first

third"""
'''
    assert load("code_lines").code_lines(text) == 1 + 3 + 1 + 2


# --- on a GPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
@pytest.mark.parametrize("script", ["step", "divergence", "least_squares", "gpu_waits"])
def test_without_a_gpu_a_script_says_so_in_one_line(load, monkeypatch, capsys, script):
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--device", "cuda"])
    with pytest.raises(SystemExit) as ended:
        load(script).main()
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "left out: there is no CUDA device\n")


def test_what_is_for_a_gpu_runs_on_a_cpu_where_it_is_named(load, case, tmp_path):
    case.save(tmp_path / "case.npz")
    step, contestants = load("step"), load("contestants")
    assert not set(contestants.ON_A_GPU) & set(step.chosen("ours", "cpu"))
    losses = {}
    for name in ("ours recorded", "ours as a CUDA graph"):
        assert step.chosen(name, "cpu") == [name]
        with contestants.step_worker(name, tmp_path / "case.npz") as worker:
            worker.receive()
            losses[name] = [worker.ask({"steps": 1})["loss"] for _ in range(3)]
    first, second = losses.values()
    assert first == pytest.approx(second, rel=1e-5)


def test_a_row_of_least_squares(load, monkeypatch, capsys):
    least_squares, kept = load("least_squares"), {}
    monkeypatch.setattr(least_squares, "store", lambda name, results: kept.update(results))
    least_squares.main(["--widths", "8", "--points", "40", "--steps", "2"])
    (row,) = kept["rows"]
    assert row["parameters"] == 2 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3
    assert row["residuals"] == 3 * 40 + 2 * least_squares.BOUNDARY
    assert row["trials"] >= 2
    assert "| 2 × 8 | 123 | 40 | 920 |" in capsys.readouterr().out


def row_names(text):
    """The first column of the table of reliability in a text."""
    table = text.split("| fault |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [line.split("|")[1].strip() for line in table]


def test_both_forms_of_the_reliability_have_the_rows_of_its_page(load):
    parts = load("reliability_parts").PARTS
    named = [row for part in parts.values() for row in part.rows]
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert row_names(page) == named
    assert "reliability.py --short" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("short", [True, False])
def test_a_form_without_a_row_is_not_met(load, monkeypatch, short):
    reliability, parts, files = map(load, ("reliability", "reliability_parts", "reliability_files"))
    row = load("reliability_table").Row("hash of 100 MB", 1, 1, "")
    monkeypatch.setattr(files, "hashing", lambda short, folder: [row][: int(short)])
    assert [each.is_met for each in reliability.take(("hashing", short)).rows] == [short]
    with pytest.raises(ValueError, match=r"rows \(\), expected \('hash of 100 MB',\)"):
        parts.PARTS["hashing"].checked([])


@pytest.mark.parametrize(("good", "code"), [(1, 0), (0, 1)])
def test_a_row_that_is_missed_is_the_exit_code(load, monkeypatch, tmp_path, capsys, good, code):
    reliability, row = load("reliability"), load("reliability_table").Row("a", 1, good, "")
    monkeypatch.setattr(load("stored"), "RESULTS", tmp_path)
    parts = [reliability.Taken("first", [row], 1.0, 2.0), reliability.Taken("second", [], 1.0, 2.0)]
    assert reliability.outcome(parts, True, 2.0) == code
    assert f"{good} of 1 rows as promised, 2 s, 4 s of processors" in capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 1
