"""PINA: the network, points and learning rate of its Stokes example, Adam, then L-BFGS.

The package has no example of Navier–Stokes. As in that of Stokes flow: 4 × 10 softplus, 2,000
points inside and 1,000 on each side, a learning rate of 1e-3, no weights, float32. Other than
there: phases by the clock in place of 1,000 steps of Adam, and L-BFGS by the package's
`SwitchOptimizer`. With 4 × 50 tanh or in float64 the error after 40 seconds was larger.
"""

import sys

import lightning
import torch
from pina import Condition, LabelTensor, Trainer
from pina.callback import SwitchOptimizer
from pina.domain import CartesianDomain
from pina.equation import Equation, SystemEquation
from pina.model import FeedForward
from pina.optim import TorchOptimizer
from pina.solver import PhysicsInformedSingleModelSolver
from step_pina import Kovasznay, continuity, given, momentum
from watch import ADAM, ITERATIONS, LOWER, UPPER, Points, Watch

SIDES = {
    "left": {"x": LOWER[0], "y": [LOWER[1], UPPER[1]]},
    "right": {"x": UPPER[0], "y": [LOWER[1], UPPER[1]]},
    "bottom": {"x": [LOWER[0], UPPER[0]], "y": LOWER[1]},
    "top": {"x": [LOWER[0], UPPER[0]], "y": UPPER[1]},
}
LBFGS = {"max_iter": ITERATIONS, "line_search_fn": "strong_wolfe", "tolerance_change": 0.0}


class Clock(lightning.pytorch.Callback):
    """Switches and ends when the share of the seconds is used up.

    An epoch has one step, as all points are one batch.
    """

    def __init__(self, watch: Watch, switch: SwitchOptimizer) -> None:
        self.watch, self.switch = watch, switch
        self.switched = False

    def on_train_epoch_start(self, trainer: Trainer, solver: lightning.LightningModule) -> None:
        """A step is about to begin."""
        used = self.watch.look(lambda at: self.predict(solver, at))
        if used >= ADAM and not self.switched:
            self.switched = True
            self.switch._epoch_switch = trainer.current_epoch
        trainer.should_stop = used >= 1

    @staticmethod
    @torch.no_grad()
    def predict(solver: lightning.LightningModule, at: Points) -> Points:
        """The velocity (N, 2)."""
        where = torch.tensor(at, dtype=next(solver.parameters()).dtype)
        found = solver.forward(LabelTensor(where, ["x", "y"])).extract(["u", "v"])
        return found.tensor.double().numpy()


def main(path: str, seconds: str, seed: str, _: str = "kovasznay") -> None:
    watch = Watch(path, float(seconds))
    lightning.seed_everything(int(seed), verbose=False)
    Kovasznay.domains = {"interior": Kovasznay.spatial_domain} | {
        name: CartesianDomain(side) for name, side in SIDES.items()
    }
    inside = Condition(domain="interior", equation=SystemEquation([momentum, continuity]))
    Kovasznay.conditions = {"interior": inside} | {
        name: Condition(domain=name, equation=Equation(given)) for name in SIDES
    }
    problem = Kovasznay()
    problem.discretise_domain(2000, domains="interior")
    problem.discretise_domain(1000, domains=list(SIDES))
    model = FeedForward(2, 3, layers=[10, 10, 10, 10], func=torch.nn.Softplus)
    solver = PhysicsInformedSingleModelSolver(
        problem, model, optimizer=TorchOptimizer(torch.optim.Adam, lr=1e-3)
    )
    switch = SwitchOptimizer(TorchOptimizer(torch.optim.LBFGS, **LBFGS), epoch_switch=10**9)
    trainer = Trainer(
        solver,
        max_epochs=10**9,
        accelerator="cpu",
        enable_model_summary=False,
        # By default a progress bar and a checkpoint at every step, as an epoch has one step.
        enable_progress_bar=False,
        enable_checkpointing=False,
        logger=False,
        callbacks=[Clock(watch, switch), switch],
    )
    trainer.train()


if __name__ == "__main__":
    main(*sys.argv[1:])
