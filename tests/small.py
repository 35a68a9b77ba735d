"""Configurations that run in half a second: what would be measured by the clock is settled."""

SMALL = """\
model:
  problem: {class_path: Poisson, init_args: {wavenumber: 1}}
  network: {class_path: MLP, init_args: {width: 8, depth: 2}}
  phases: [{optimizer: Adam, steps: 4, lr: 1.0e-2}]
  derivatives: taylor
  compile: false
data: {points: {interior: 32, boundary: 16}, held_out: 32}
trainer: {accelerator: cpu, val_check_interval: 2}
"""
FLOW = """\
model:
  problem: {class_path: LidDrivenCavity, init_args: {reynolds: 100.0}}
  network: {class_path: MLP, init_args: {width: 8, depth: 2}}
  phases: [{optimizer: Adam, steps: 4}]
  derivatives: taylor
  compile: false
data: {points: {interior: 32}, held_out: 32}
trainer: {accelerator: cpu, val_check_interval: 2}
"""


def fitted(problem, phases, folder, network=None, **settings):
    """A short run from Python, without anything around it."""
    from pinn import MLP, fit

    settings = {"enable_progress_bar": False, "accelerator": "cpu", **settings}
    return fit(problem, network or MLP(8, 1), phases=phases, folder=folder, **settings)
