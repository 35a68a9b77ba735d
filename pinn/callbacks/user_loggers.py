"""Loggers of Lightning and of the user: where their disk is full they end, and the run goes on."""

import errno
import threading
from collections.abc import Callable
from typing import Any

from lightning.pytorch.loggers import Logger

from pinn.base.console import say
from pinn.callbacks.event_files import silence_threads, writes_events
from pinn.checkpoints.writing import in_words, system_error

FULL = (errno.ENOSPC, errno.EDQUOT)
# What a trainer and the callbacks of this package call.
CALLED = ("log_metrics", "log_hyperparams", "log_graph", "log_image", "save", "finalize")


def guard(logger: Logger) -> None:
    """Let a logger end with a line where its disk is full; every other error is raised as ever.

    It is not tried again: half a row may have been written, which the next one would go on with.
    """
    name = type(logger).__name__
    if "log_metrics" in vars(logger):  # it has logged another run
        return
    silence_threads()
    silence_full_disks()
    failed: list[str] = []

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def attempt(*args: Any, **kwargs: Any) -> Any:
            if failed:
                return None
            try:
                return call(*args, **kwargs)
            except Exception as error:
                refusal = system_error(error)
                if refusal is None or refusal.errno not in FULL:
                    raise
                failed.append(in_words(refusal))
                say(f"warning   {name} ends here: {in_words(refusal)}")
                return None

        return attempt

    for method in CALLED:
        if callable(call := getattr(logger, method, None)):
            setattr(logger, method, guarded(call))


def silence_full_disks() -> None:
    """Let a thread that finds its disk full end with one line in place of a traceback."""
    before = threading.excepthook
    if getattr(before, "is_brief", False):
        return

    def hook(args: threading.ExceptHookArgs) -> None:
        error, thread = args.exc_value, args.thread
        if isinstance(error, OSError) and error.errno in FULL and not writes_events(thread):
            name = thread.name if thread else "a thread"
            say(f"warning   {name} has ended: {in_words(error)}")
        else:
            before(args)

    hook.is_brief = hook.is_silent = True  # type: ignore[attr-defined]
    threading.excepthook = hook
