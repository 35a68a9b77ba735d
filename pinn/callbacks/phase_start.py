"""The phase of a step, entered before the callbacks of the user look."""

from typing import Any

import lightning as L


class PhaseStart(L.Callback):
    """Let optimiser and learning rate be those of the step that begins.

    Hooks of callbacks come before the module's, and would see those of the step before.
    """

    def on_train_batch_start(self, trainer: L.Trainer, solver: Any, *args: Any) -> None:
        """Enter the phase; the module, when its turn comes, finds that done."""
        solver.on_train_batch_start(*args)
