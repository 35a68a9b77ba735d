"""A steady step neither waits for a GPU nor sends it anything, shown without one."""

import math
from functools import partial

import lightning as L
import pytest
import torch
from torch import nn
from waits import Waits

import pinn
from pinn.base import transfers
from pinn.callbacks import Checkpoints, FiniteLoss, NonFiniteError, finite_loss
from pinn.networks import MLP, Patches, Polynomials, Ridges
from pinn.objective import sites
from pinn.objective.compilation import Compilation
from pinn.objective.least_squares import LeastSquares
from pinn.objective.objective import Objective
from pinn.optim import Phase, levenberg_marquardt
from pinn.optim.block_budget import BlockBudget
from pinn.optim.budget import Budget
from pinn.optim.structure import structure_of
from pinn.problems import Kovasznay
from pinn.runs.trainer import fixed_callbacks
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training import schedule
from pinn.training.solver import Solver

FIRST, LAST = 17, 25  # between them no recorded step is held against the Python, see `rechecks`
F32 = torch.float32
POINTS = {"interior": 40, "boundary": 16}


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Every place that asks is told that reading waits."""
    for module in (transfers, finite_loss, levenberg_marquardt, schedule, sites):
        monkeypatch.setattr(module, "reads_are_free", lambda device: False)


class Watched(L.Callback):
    """Counts what waits in the steps from FIRST to LAST; reading what has arrived does not."""

    def __init__(self, monkeypatch, first=FIRST, last=LAST):
        self.first, self.last, self.lags = first, last, []
        self.waits, made, watched = None, transfers.Transfer.__init__, self
        number = transfers.Transfer.number.fget

        def make(transfer, tensor):
            made(transfer, tensor)
            transfer.step = watched.step

        def read(transfer):
            lag = watched.step - transfer.step
            if watched.waits is None or lag == 0:
                return number(transfer)
            watched.lags.append(lag)
            with watched.waits.allowed():
                return number(transfer)

        monkeypatch.setattr(transfers.Transfer, "__init__", make)
        monkeypatch.setattr(transfers.Transfer, "number", property(read))

    def on_train_start(self, trainer, solver):
        self.trainer = trainer

    @property
    def step(self):
        return self.trainer.global_step

    def on_train_batch_end(self, trainer, solver, *_):
        if trainer.global_step == self.first:
            states = trainer.optimizers[0].state.values()
            hosted = [s["step"] for s in states if isinstance(s.get("step"), torch.Tensor)]
            self.waits = Waits(hosted)
            self.waits.__enter__()
        if trainer.global_step == self.last:
            self.waits.__exit__(None, None, None)
            self.counted, self.waits = self.waits.counted, None

    def on_exception(self, *_):
        if self.waits is not None:
            self.waits.__exit__(None, None, None)


def watched(train, monkeypatch, phase, mode="eager", network=None, **settings):
    """What waits in the steady steps of a run with the callbacks that are shipped."""
    watch = Watched(monkeypatch)
    weighting = settings.pop("weighting", "fixed")
    network = network or MLP(8, 2)
    solver = Solver(
        Kovasznay(), network, [phase], derivatives="taylor", compile="auto", weighting=weighting
    )
    solver.compilation = Compilation(mode, "asked for by this test")
    callbacks = [*fixed_callbacks(bar=False), Checkpoints(every=100), watch]
    train(solver, POINTS, callbacks=callbacks, **settings)
    return watch


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "Adam"},
        {"optimizer": "Adam", "options": {"foreach": True}, "schedule": "cosine"},
        {"optimizer": "Adam", "options": {"fused": True}},
        {"optimizer": "SGD", "lr": 1e-4, "seconds": 1e6, "dtype": "float64"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_a_steady_step_of_first_order_waits_for_nothing(
    train, monkeypatch, on_a_gpu, mode, settings
):
    watch = watched(train, monkeypatch, Phase(30, **settings), mode)
    assert not watch.counted
    assert watch.lags == [finite_loss.LAG + 1] * (LAST - FIRST)  # the next steps have begun


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize("features", [Polynomials(4), Ridges(8, trained=True)], ids=str)
def test_a_steady_step_of_patches_waits_for_nothing(train, monkeypatch, on_a_gpu, mode, features):
    network = Patches({"x": 2, "y": 2}, features)
    assert not watched(train, monkeypatch, Phase(30), mode, network).counted


@pytest.mark.parametrize("method", ["gradient_norm", "ntk"])
def test_weights_that_follow_the_training_wait_at_their_periods_only(
    train, monkeypatch, on_a_gpu, method
):
    assert not watched(train, monkeypatch, Phase(30), weighting=method).counted


def test_targets_of_a_phase_are_looked_at_every_tenth_step(train, monkeypatch, on_a_gpu):
    watch = watched(train, monkeypatch, Phase(30, loss=1e-9, patience=100))
    assert watch.counted == {"aten._local_scalar_dense.default in schedule.py:advance": 1}


def test_new_points_at_every_step_cost_no_wait(train, monkeypatch, on_a_gpu):
    watch = watched(train, monkeypatch, Phase(30), resample=1)
    places = {name.rpartition(" ")[2].partition(":")[0] for name in watch.counted}
    on_the_host = {"sampling.py", "block.py", "region.py", "domains.py"}
    assert places <= on_the_host


def test_on_a_cpu_every_evaluation_is_looked_at_before_the_weights_move(train, monkeypatch):
    watch = watched(train, monkeypatch, Phase(30))
    assert watch.counted["aten._local_scalar_dense.default in transfers.py:number"] == LAST - FIRST
    assert not watch.lags


@pytest.mark.parametrize("kind", ["dense", "patches"])
def test_levenberg_marquardt_reads_once_a_trial(train, monkeypatch, on_a_gpu, kind):
    trials = []
    plain = pinn.optim.LevenbergMarquardt.trial

    def trial(self, *args):
        trials.append(watch.waits is not None)
        return plain(self, *args)

    monkeypatch.setattr(pinn.optim.LevenbergMarquardt, "trial", trial)
    watch = Watched(monkeypatch, first=17, last=20)
    torch.manual_seed(0)  # the trials decide when a graph is held against the Python again
    network = MLP(8, 1) if kind == "dense" else Patches({"x": 2}, Polynomials(4))
    solver = Solver(Kovasznay(), network, [Phase(21, "LevenbergMarquardt")], derivatives="rule")
    train(solver, POINTS, callbacks=[*fixed_callbacks(bar=False), Checkpoints(), watch])
    assert sum(trials) >= 3
    assert watch.counted == {"tolist in levenberg_marquardt.py:trial": sum(trials)}


def test_lbfgs_reads_once_an_evaluation_besides_what_torch_reads(train, monkeypatch, on_a_gpu):
    evaluations = []
    plain = Solver.training_step

    def step(self, *args):
        evaluations.append(watch.waits is not None)
        return plain(self, *args)

    monkeypatch.setattr(Solver, "training_step", step)
    watch = Watched(monkeypatch, first=2, last=4)
    solver = Solver(
        Kovasznay(), MLP(8, 1), [Phase(5, "LBFGS")], derivatives="taylor", compile=False
    )
    train(solver, POINTS, callbacks=[*fixed_callbacks(bar=False), Checkpoints(), watch])
    ours = {name: n for name, n in watch.counted.items() if "lbfgs" not in name}
    assert sum(ours.values()) <= sum(evaluations), ours


# --- on a device that refuses to be read


def there(like, dtype=None):
    """A tensor without numbers."""
    return torch.empty(like.shape, dtype=dtype or like.dtype, device="meta")


def test_a_step_of_first_order_runs_where_nothing_can_be_read(monkeypatch, on_a_gpu):
    problem = Kovasznay()
    solution = Solution(problem, MLP(8, 2))
    objective = Objective(solution, plan_regions(solution))
    solution.strategy = dict.fromkeys(solution.networks, "taylor")
    points = {
        region: problem.geometry.sample(region, n, "sobol", 0).map(partial(there, dtype=F32))
        for region, n in POINTS.items()
    }
    for part in solution.modules():
        part._parameters.update({n: nn.Parameter(there(p)) for n, p in part._parameters.items()})
        part._buffers.update({n: there(b) for n, b in part._buffers.items()})
    monkeypatch.setattr(objective, "state", lambda *_: None)  # trusts the strategy unseen
    monkeypatch.setattr(objective, "chunk_size", lambda *_: None)
    adam = torch.optim.Adam(objective.parameters())

    def step():
        adam.zero_grad()
        total, _ = objective.loss(points, dict.fromkeys(objective.order, 1.0))
        total.backward()
        finite_loss.copies([p.detach() for p in objective.parameters()])
        adam.step()

    step()
    states = adam.state.values()
    with Waits([state["step"] for state in states], device="meta") as waits:
        step()
    assert not waits.counted


class Parabolas:
    """Residuals θ², as many of them as are asked for."""

    def __init__(self, theta, count):
        self.theta, self.count = theta.detach(), count

    def residuals(self):
        return self.theta.square().repeat(2)[: self.count]

    def blocks(self):
        yield torch.cat(2 * [2 * self.theta.diag()])[: self.count], self.residuals()


class Pieces(Parabolas):
    """The same in two blocks of θ, of which each residual sees one."""

    def sizes(self):
        return (3, 3)

    def groups(self):
        return ((0,), (1,), (0,), (1,))

    def row_counts(self):
        return (3, 3, 3, 3)

    def grouped(self):
        for seen, r in zip(self.groups(), self.residuals().split(3), strict=True):
            yield seen, 2 * self.theta[3 * seen[0] :][:3].diag(), r


# Twelve residuals by Gram matrix and QR, four by the kernel; geqrf does not run without numbers.
@pytest.mark.parametrize(("count", "damping"), [(12, 1e-3), (12, 1e-30), (4, 1e-3)])
def test_a_trial_reads_only_once_all_of_it_is_evaluated(on_a_gpu, count, damping):
    theta = nn.Parameter(there(torch.zeros(6, dtype=torch.float64)))
    optimizer = pinn.optim.LevenbergMarquardt([theta], damping=damping)
    optimizer.system, optimizer.room = Parabolas(theta, count), Budget(6, count, 1e9)
    refused_at_the_end(optimizer)


def refused_at_the_end(optimizer):
    """The first number that is read is that of a trial."""
    with pytest.raises(NotImplementedError, match="no data") as refused:
        optimizer.step()
    (line,) = [str(e.statement) for e in refused.traceback if e.name == "trial"]
    assert line.endswith(".tolist()")


def test_a_trial_by_blocks_reads_only_once_all_of_it_is_evaluated(on_a_gpu):
    theta = nn.Parameter(there(torch.zeros(6, dtype=torch.float64)))
    optimizer = pinn.optim.LevenbergMarquardt([theta], damping=1e-3)
    optimizer.system = Pieces(theta, 12)
    structure = structure_of(optimizer.system, 6)
    optimizer.room = BlockBudget(structure, 12, 1e9)
    refused_at_the_end(optimizer)


# --- the guard


@pytest.mark.parametrize(("step", "value"), [(1, math.nan), (10, math.inf), (19, math.nan)])
def test_a_bad_step_leaves_no_trace_on_a_gpu(train, tmp_path, monkeypatch, on_a_gpu, step, value):
    solver = Solver(Kovasznay(), MLP(8, 1), [Phase(20)], derivatives="taylor", compile=False)
    weights, gradient = [], solver.objective.gradient

    def poisoned(points, given):
        weights.append([p.detach().clone() for p in solver.parameters()])
        losses, slopes = gradient(points, given)
        bad = len(weights) == step
        return losses * (value if bad else 1), [s * (value if bad else 1) for s in slopes]

    monkeypatch.setattr(solver.objective, "gradient", poisoned)
    with pytest.raises(NonFiniteError, match=rf"the loss is {value} at step {step} \(Adam\)"):
        train(solver, POINTS, callbacks=[FiniteLoss(), Checkpoints(every=1)])
    assert len(weights) <= step + finite_loss.LAG
    assert all(map(torch.equal, solver.parameters(), weights[step - 1]))
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        assert int(path.stem.removeprefix("step-")) < step


def test_least_squares_that_are_no_numbers_stop_on_a_gpu_too(train, monkeypatch, on_a_gpu):
    solver = Solver(Kovasznay(), MLP(8, 1), [Phase(9, "LevenbergMarquardt")], compile=False)
    plain, before = LeastSquares.residuals, []

    def residuals(self, check=False):
        if solver.global_step < 2:
            return plain(self, check)
        before.append([p.detach().clone() for p in solver.parameters()])
        return plain(self, check) * math.nan

    monkeypatch.setattr(LeastSquares, "residuals", residuals)
    with pytest.raises(NonFiniteError, match="residuals are not finite"):
        train(solver, POINTS, callbacks=[FiniteLoss()])
    assert all(map(torch.equal, solver.parameters(), before[0]))
