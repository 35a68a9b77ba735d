"""How the weights are found: phases of optimisation."""

from pinn.optim.levenberg_marquardt import LevenbergMarquardt
from pinn.optim.phase import Phase, usual_phases

__all__ = ["LevenbergMarquardt", "Phase", "usual_phases"]
