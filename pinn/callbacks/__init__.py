"""What happens around the steps: checkpoints, the guard, curves, pictures, loggers, report.

One Lightning callback per file. A new logger, or anything printed or saved during training, goes
here.

May import: training, checkpoints, assessment, optim, objective, solution, base.
"""

from pinn.callbacks.announcement import Announce
from pinn.callbacks.check import Check
from pinn.callbacks.checkpoints import Keeper
from pinn.callbacks.deadline import Deadline
from pinn.callbacks.figures import Panels
from pinn.callbacks.finite_loss import FiniteGuard
from pinn.callbacks.low_loss_warning import Alarm
from pinn.callbacks.progress import progress_bar
from pinn.callbacks.report import Report
from pinn.callbacks.scalars import Scalars
from pinn.objective.nonfinite import NonFiniteError

__all__ = [
    "Alarm",
    "Announce",
    "Check",
    "Deadline",
    "FiniteGuard",
    "Keeper",
    "NonFiniteError",
    "Panels",
    "Report",
    "Scalars",
    "progress_bar",
]
