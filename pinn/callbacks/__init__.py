"""What happens around the steps: checkpoints, the guard, curves, pictures, loggers, report.

One Lightning callback per file. Anything printed or saved during training goes here. What is
measured or drawn comes from `assessment`. A logger of our own goes beside `event_files`; those of
users are held by `runs.trainer`.

    announcement         what a run is about to do, before the first step
    progress             a bar, or lines
    report               the table that ends a run
    scalars              curves of losses, errors and time
    event_files          the logger of TensorBoard, whose files end where a disk is full
    pictures             the figures, given to the loggers
    checkpointing        when a checkpoint is written
    finite_loss          stops a run whose loss is not a number
    low_loss_warning     warns of a low loss with a wrong solution
    interrupt            a signal stops a run at the end of a step
    deadline             `max_time`
    early_stopping       EarlyStopping in a resumed run
    pace                 `--check`: a few steps, to know what a run will take
    phase_start          a phase begins before the user's callbacks look
    saved_configuration  the configuration, saved with the run
    user_loggers         loggers whose disk is full end, and the run goes on
    users_callbacks      callbacks of Lightning and of the user, and the metrics that they look at

May import: training, checkpoints, assessment, optim, objective, solution, base.
"""

from pinn.callbacks.announcement import Announcement
from pinn.callbacks.checkpointing import Checkpoints
from pinn.callbacks.finite_loss import FiniteLoss
from pinn.callbacks.low_loss_warning import LowLossWarning
from pinn.callbacks.pictures import Figures
from pinn.callbacks.report import Report
from pinn.callbacks.scalars import Scalars
from pinn.objective.nonfinite import NonFiniteError

__all__ = [
    "Announcement",
    "Checkpoints",
    "Figures",
    "FiniteLoss",
    "LowLossWarning",
    "NonFiniteError",
    "Report",
    "Scalars",
]
