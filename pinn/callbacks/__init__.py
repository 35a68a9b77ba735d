"""What happens around the steps: checkpoints, the guard, curves, pictures, loggers, report.

One Lightning callback per file. A new logger, or anything printed or saved during training, goes
here.

May import: training, checkpoints, assessment, optim, objective, solution, base.
"""

from pinn.callbacks.announcement import Announcement
from pinn.callbacks.check import FewSteps
from pinn.callbacks.checkpoints import Checkpoints
from pinn.callbacks.deadline import Deadline
from pinn.callbacks.figures import Figures
from pinn.callbacks.finite_loss import FiniteLoss
from pinn.callbacks.low_loss_warning import LowLossWarning
from pinn.callbacks.progress import progress_bar
from pinn.callbacks.report import Report
from pinn.callbacks.scalars import Scalars
from pinn.objective.nonfinite import NonFiniteError

__all__ = [
    "Announcement",
    "Checkpoints",
    "Deadline",
    "FewSteps",
    "Figures",
    "FiniteLoss",
    "LowLossWarning",
    "NonFiniteError",
    "Report",
    "Scalars",
    "progress_bar",
]
