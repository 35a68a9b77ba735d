"""What two processes do together: a program that tests/test_distributed.py starts once.

    python ranks.py FOLDER

Each part leaves what the processes saw in files of its name; the last part fails.
"""

import os
import sys

import lightning as L
import torch
import torch.distributed as dist
from condensing import condensed_steps
from lightning.pytorch.strategies import DDPStrategy
from oracle import choose
from quadrature import answers, sensors
from sparse import CASES as SPARSE
from sparse import sparse_steps
from test_levenberg_marquardt import CASES, four_steps
from torch import nn

from pinn.algebra.channels import Plan, first
from pinn.base.console import quiet
from pinn.callbacks import Checkpoints, Report
from pinn.checkpoints.writing import AtomicCheckpointIO
from pinn.networks import MLP
from pinn.operators.divergence import Divergence
from pinn.optim import Phase
from pinn.problems import Continuity, Kovasznay, KovasznayViscosity
from pinn.training import loss_weights
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

FOLDER = sys.argv[1]
POINTS = {"interior": 20, "boundary": 12}


class Record(L.Callback):
    """The first gradient, and the points and weights of every step; it may fail."""

    def __init__(self, part):
        self.part = part
        self.seen = {"weights": [], "drawn": []}

    def on_train_start(self, trainer, solver):
        state = solver.solution.state_dict()
        self.seen["start"] = {n: p.detach().clone() for n, p in state.items()}

    def on_before_optimizer_step(self, trainer, solver, optimizer):
        if "grads" in self.seen or self.part not in ("orders", "system"):
            return
        like = next(solver.parameters())
        points = solver.collocation.draw(
            solver.problem, trainer.global_step, trainer.global_rank, like
        )
        self.seen["points"] = {name: (p.at, p.normal) for name, p in points.items()}
        self.seen["loss"] = solver.terms["total"]
        named = solver.solution.named_parameters()
        self.seen["grads"] = {n: p.grad.clone() for n, p in named if p.grad is not None}

    def on_train_batch_end(self, trainer, solver, *args):
        if self.part == "fails" and trainer.global_rank == 1 and trainer.global_step == 4:
            raise OSError("the disk of the second process is full")
        if self.part.startswith(("gradient_norm", "ntk", "wider")):
            self.seen["weights"].append(dict(solver.balance.weights))
            points = solver.objective.points.items()
            self.seen["drawn"].append({r: (p.at, p.normal) for r, p in points})

    def on_train_end(self, trainer, solver):
        end = {"end": solver.solution.state_dict(), "total": solver.terms["total"]}
        end["minimum"] = getattr(trainer.optimizers[0], "loss", None)
        end["estimates"] = {n: vars(e) for n, e in solver.estimate().items()}
        save(self.part, self.seen | end | {"course": solver.schedule.state()})


def save(part, seen):
    torch.save(seen, f"{FOLDER}/{part}{dist.get_rank()}.pt")


def run(part, phases, problem=None, points=None, weights=None, resumed=None, data=None, **settings):
    """Train on two processes."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print("run:", part, flush=True)
    torch.manual_seed(0)
    trainer = L.Trainer(
        accelerator="cpu",
        devices=2,
        strategy=DDPStrategy(process_group_backend="gloo"),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=None,
        val_check_interval=6,
        default_root_dir=f"{FOLDER}/{part}",
        callbacks=[Record(part), Checkpoints(every=5), Report()],
        plugins=[AtomicCheckpointIO()],
    )
    adapt = "weighting" in settings
    resample = 0 if phases[0].solves_system else 2
    points = points or POINTS
    data = data or Collocation(points, resample=resample, adapt=adapt, held_out=30)
    solver = Solver(problem or Kovasznay(), MLP(8, 2), phases, weights, **settings)
    trainer.fit(solver, datamodule=data, ckpt_path=resumed)


def orders():
    run("orders", [Phase(2, lr=0.01, dtype="float64"), Phase(3, lr=0.01), lbfgs(4, "float64")])


def lbfgs(steps, dtype=None):
    return Phase(steps, "LBFGS", dtype=dtype, options={"max_iter": 5})


def system():
    phases = [Phase(2, "LevenbergMarquardt", train="output"), Phase(2, "LevenbergMarquardt")]
    run("system", phases)


def early():
    phases = [Phase(seconds=0.5), Phase(90, error=1e9), Phase(90, loss=1e9), Phase(9, patience=3)]
    run("early", phases)


def slopes():
    """A loss of derivatives alone does not depend on the last bias."""
    weights = {"continuity": 1.0, "initial": 0.0, "inflow": 0.0}
    run("slopes", [Phase(2)], Continuity(), {"interior": 20}, weights)


def balances():
    """Weights that follow the training and adapted points, whole and resumed."""
    period, loss_weights.PERIOD = loss_weights.PERIOD, 3
    phases = [Phase(6, lr=0.01, dtype="float64"), lbfgs(3)]
    for method in ("gradient_norm", "ntk"):
        run(f"{method}-whole", phases, weighting=method)
        path = f"{FOLDER}/{method}-whole/checkpoints/step-0000005.ckpt"
        run(f"{method}-part", phases, weighting=method, resumed=path)
    loss_weights.PERIOD = period


def resumptions():
    """Optimisers that remember, whole and resumed; a coefficient, from points of a quadrature."""
    parts = {
        "lbfgs": ([Phase(2, lr=0.01, dtype="float64"), lbfgs(5, "float64")], {}),
        "viscosity": ([Phase(7, "LevenbergMarquardt")], VISCOSITY),
    }
    for part, (phases, settings) in parts.items():
        run(f"{part}-whole", phases, **made(settings))
        path = f"{FOLDER}/{part}-whole/checkpoints/step-0000005.ckpt"
        run(f"{part}-part", phases, resumed=path, **made(settings))


# A problem with data and an unknown coefficient, at points that the processes divide.
VISCOSITY = {
    "problem": lambda: KovasznayViscosity(samples=9),
    "data": lambda: Collocation({"interior": 25}, "gauss", held_out=30),
}


def made(settings):
    """The settings of a run, each made anew."""
    return {name: make() for name, make in settings.items()}


def wider():
    """A run that one process began, with weights that follow and points that are chosen."""
    phases = [Phase(9, lr=0.01, dtype="float64")]
    path = f"{FOLDER}/alone/checkpoints/step-0000005.ckpt"
    run("wider", phases, resumed=path, weighting="ntk")


def choices():
    """The first process decides for all, and tells the other why it could not."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    x, plan = torch.rand(64, 2), Plan((first(0), first(1)))
    seen = {"choice": vars(choose(net, x, plan))}

    def broken(x):
        raise KeyError("weights")

    try:
        choose(broken, x, plan)
    except Exception as error:
        seen["error"] = f"{type(error).__name__} {error}"
    if dist.get_rank() == 0:  # one process alone may call the operator: it waits for no other
        seen["alone"] = Divergence().choice(net, x).strategy
    dist.barrier()
    heads = [nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 1)) for _ in range(8)]
    apart = Divergence().choice(lambda x: tuple(head(x) for head in heads), torch.rand(64, 8))
    seen["apart"] = apart.strategy, apart.reason
    save("choices", seen)


if __name__ == "__main__":
    quiet()
    for part in (orders, system, early, slopes, balances, resumptions, wider):
        part()
    save("quadrature", answers(dist.get_rank()))
    save("sensors", sensors(dist.get_rank()))
    choices()
    steps = {case: four_steps(case, dist.get_rank()) for case in CASES}
    steps |= {case: sparse_steps(case, dist.get_rank()) for case in SPARSE}
    save("shares", steps | {"condensed": condensed_steps("condensed", dist.get_rank())})
    run("fails", [Phase(9)])
