"""Two processes on the CPU: weights that follow the training and adapted points, resumed too."""

import pytest
import torch
from test_distributed import finish

from pinn.checkpoints.file import read
from pinn.geometry import Points
from pinn.networks import MLP
from pinn.objective.objective import Objective
from pinn.problems import Kovasznay
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.loss_weights import Balance

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from pinn.training import loss_weights
from pinn.callbacks import Keeper
from pinn.checkpoints.file import AtomicCheckpointIO
from pinn.training.collocation import Collocation
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.base.quiet import quiet
from pinn.training.solver import Solver

folder, method, name, *resumed = sys.argv[1:]
loss_weights.PERIOD = 3

class Record(L.Callback):
    def on_train_start(self, trainer, solver):
        self.start = {n: p.detach().clone() for n, p in solver.solution.state_dict().items()}
        self.weights, self.points = [], []

    def on_train_batch_end(self, trainer, solver, *args):
        self.weights.append(dict(solver.balance.weights))
        self.points.append({r: (p.at, p.normal) for r, p in solver.objective.points.items()})

    def on_train_end(self, trainer, solver):
        seen = {"start": self.start, "weights": self.weights, "points": self.points}
        seen["end"] = solver.solution.state_dict()
        torch.save(seen, f"{folder}/{name}{trainer.global_rank}.pt")

quiet()
torch.manual_seed(0)
phases = [Phase(6, lr=0.01, dtype="float64"), Phase(3, "LBFGS")]
trainer = L.Trainer(
    accelerator="cpu",
    devices=2,
    strategy=DDPStrategy(process_group_backend="gloo"),
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    num_sanity_val_steps=0,
    check_val_every_n_epoch=None,
    val_check_interval=100,
    default_root_dir=f"{folder}/{name}",
    callbacks=[Record(), Keeper(every=5)],
    plugins=[AtomicCheckpointIO()],
)
data = Collocation({"interior": 20, "boundary": 12}, resample=2, adapt=True, held_out=30)
solver = Solver(Kovasznay(), MLP(8, 2), phases, balance=method)
trainer.fit(solver, datamodule=data, ckpt_path=resumed[0] if resumed else None)
"""


def seen(folder, name):
    return [torch.load(folder / f"{name}{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("method", ["gradient_norm", "ntk"])
def test_two_processes_agree_and_resume(tmp_path, method):
    (tmp_path / "script.py").write_text(SCRIPT)
    code, said = finish(tmp_path, tmp_path / "script.py", tmp_path, method, "whole")
    assert code == 0, said
    ranks = seen(tmp_path, "whole")
    assert ranks[0]["weights"] == ranks[1]["weights"]
    assert all(torch.equal(w, ranks[1]["end"][n]) for n, w in ranks[0]["end"].items())

    # The first weights are those of one process at all points.
    points = {}
    for region in ("interior", "boundary"):
        parts = [rank["points"][0][region] for rank in ranks]
        normal = None if parts[0][1] is None else torch.cat([p[1] for p in parts])
        points[region] = Points(torch.cat([p[0] for p in parts]), normal)
    solution = Solution(Kovasznay(), MLP(8, 2)).double()
    solution.load_state_dict(ranks[0]["start"])
    solution.strategy = {"all": "taylor"}
    given = dict.fromkeys(("momentum", "continuity", "boundary"), 1.0)
    alone = Balance(method, given)
    alone.follow(Objective(solution, plan_regions(solution)), points, 0, 0, False)
    assert ranks[0]["weights"][0] == pytest.approx(alone.weights, rel=1e-10)

    # Each process chose points of its own, and goes on with them.
    path = tmp_path / "whole" / "checkpoints" / "step-0000005.ckpt"
    assert len(read(path)["Collocation"]["chosen"]) == 2
    code, said = finish(tmp_path, tmp_path / "script.py", tmp_path, method, "part", path)
    assert code == 0, said
    for whole, part in zip(ranks, seen(tmp_path, "part"), strict=True):
        assert torch.equal(part["points"][0]["interior"][0], whole["points"][5]["interior"][0])
        assert all(torch.equal(w, part["end"][n]) for n, w in whole["end"].items())
        assert part["weights"] == whole["weights"][5:]
    own = [set(map(tuple, rank["points"][2]["interior"][0].tolist())) for rank in ranks]
    assert not own[0] & own[1]
