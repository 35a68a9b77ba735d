"""Several processes that train one run: they end together, and say why."""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import Signals
from subprocess import Popen, TimeoutExpired
from typing import Any, NoReturn

import lightning as L
import torch

import pinn
from pinn.base.messages import cut, echo
from pinn.base.presence import Loss, Presence
from pinn.base.processes import gathered
from pinn.base.signals import program
from pinn.callbacks.interrupt import InterruptedRunError
from pinn.checkpoints.names import newest_first
from pinn.training.lightning_adapter import inside, let_children_die

LATER = 1.0  # seconds by which the word that a process is gone may come after the error
PARENT = "PINN_PARENT"  # tells a process which one has started it


class LostRankError(RuntimeError):
    """A process of the run is gone; the run cannot go on without it.

    Args:
        line: which one, and when.
        advice: from which checkpoint the run can be continued; empty if there is none.
    """

    def __init__(self, line: str, advice: str) -> None:
        super().__init__(f"{line}: {advice or 'there is no checkpoint yet'}")
        self.line = line


class Together(L.Callback):
    """Connect the processes once they can talk, and see that they do the same."""

    def setup(self, trainer: L.Trainer, solver: Any, stage: str) -> None:
        """Tell everyone where the first process waits.

        Raises:
            RuntimeError: the processes would continue from different checkpoints, or have different
                settings or versions, with which they would wait for each other for ever.
        """
        presence: Presence | None = getattr(trainer, "presence", None)
        if presence is None or stage != "fit":
            return
        place = presence.open() if trainer.is_global_zero else None
        found = gathered((place, str(trainer.ckpt_path), identity(trainer, solver)))
        if line := unlike([its for *_, its in found]):
            raise RuntimeError(f"{line}: start all with the same configuration and the same code")
        if len({checkpoint for _, checkpoint, _ in found}) > 1:
            names = ", ".join(dict.fromkeys(checkpoint for _, checkpoint, _ in found))
            raise RuntimeError(f"the processes would continue from {names}: give --resume FILE")
        if trainer.run is not None:  # type: ignore[attr-defined]
            trainer.run = Path(str(trainer.log_dir))  # type: ignore[attr-defined]
        if not trainer.is_global_zero and found[0][0]:
            presence.connect(*found[0][0])


def identity(trainer: Any, solver: Any) -> dict[str, str]:
    """What all processes of a run have to have in common, by its name."""
    versions = {"version of torch": torch.__version__, "version of pinn": pinn.__version__}
    steps = {name: getattr(trainer, name) for name in ("max_steps", "val_check_interval")}
    home = Path(pinn.__file__).parent
    code = hashlib.sha256()
    for file in [*sorted(home.rglob("*.py")), source(type(solver.problem))]:
        if file is not None:
            code.update(file.read_bytes())
    code_of_all = {"code (hash)": code.hexdigest()[:12]}
    asked = solver.describe() if trainer.checkpoint_callbacks else {}  # else it need not be plain
    return dict(leaves({**asked, "trainer": steps, **versions, **code_of_all}))


def source(cls: type) -> Path | None:
    """The file that a class is written in; None for one that was typed in."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file) if file and Path(file).is_file() else None


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The numbers and texts in plain data, by their dotted names."""
    entries = enumerate(value) if isinstance(value, list | tuple) else ()
    for key, entry in value.items() if isinstance(value, Mapping) else entries:
        yield from leaves(entry, f"{name}.{key}" if name else str(key))
    if isinstance(value, str | int | float | None):
        yield name, echo(value)


def unlike(found: Sequence[Mapping[str, str]]) -> str:
    """The first thing that a process has otherwise than the first one; empty if there is none."""
    for rank, its in enumerate(found):
        for key in {**found[0], **its}:
            if its.get(key) != found[0].get(key):
                here, there = its.get(key, "nothing"), found[0].get(key, "nothing")
                return f"rank {rank} has {key} = {here}, and rank 0 has {there}"
    return ""


@contextmanager
def watched(trainer: Any) -> Iterator[None]:
    """Within the block, the end of one process of a run ends all.

    Raises:
        LostRankError: a process is gone; the line names it.
        InterruptedRunError: it was told to stop.
    """
    trainer.presence = None
    if trainer.world_size == 1:
        yield
        return
    parent = int(os.environ.get(PARENT, 0)) if trainer.local_rank else 0
    if not trainer.local_rank:  # the others keep their parent for a second run
        os.environ[PARENT] = str(os.getpid())
    presence = Presence(
        trainer.global_rank, lambda: children(trainer), parent, lambda loss: give_up(trainer, loss)
    )
    trainer.presence = presence
    presence.hear()
    presence.start()
    program.farewells.append(lambda: part(trainer, stopped(trainer.global_rank)))
    try:
        yield
    except InterruptedRunError:  # on all processes together
        raise
    except BaseException as error:
        loss = presence.wait(LATER if trainer.is_global_zero else 2 * LATER)
        if loss is None:
            how = f"failed with {type(error).__name__}: {cut(error, 500)}"
            part(trainer, Loss(trainer.global_rank, how))
            raise
        raise explained(trainer, loss) from error
    finally:
        presence.leave()


def children(trainer: Any) -> dict[int, "Popen[bytes]"]:
    """The processes that this one has started, by their rank."""
    let_children_die()
    started = inside(trainer, "strategy.launcher.procs", [])
    return {trainer.global_rank + n: child for n, child in enumerate(started, 1)}


def stopped(rank: int) -> Loss:
    """The loss of this process, which ends before the others do."""
    by = f" by {Signals(program.signum).name}" if program.signum else ""
    return Loss(rank, f"was stopped{by}", program.signum)


def part(trainer: Any, loss: Loss) -> None:
    """Tell the others that this process ends, and let none be left that it has started."""
    trainer.presence.tell(loss)
    trainer.presence.is_over = True
    for child in children(trainer).values():
        try:
            child.wait(2 * LATER)
        except TimeoutExpired:
            child.kill()


def explained(trainer: Any, loss: Loss) -> Exception:
    """The error that says which process is gone and what is left."""
    if loss.signum:
        return InterruptedRunError(loss.signum, trainer.global_step)
    if loss.rank == 0 and speaks_of(trainer, loss):  # whose errors nobody sees otherwise
        program.say(line(trainer, loss))
    kept = newest_first(trainer.run / "checkpoints")[:1] if trainer.run else []
    return LostRankError(
        line(trainer, loss), f"continue with resume={str(kept[0])!r}" if kept else ""
    )


def line(trainer: Any, loss: Loss) -> str:
    """Which process is gone, and when."""
    step = trainer.global_step
    when = f"after step {step}" if step else "before the first step"
    return f"rank {loss.rank} of {trainer.world_size} {loss.how} {when}"


def speaks_of(trainer: Any, loss: Loss) -> bool:
    """Whether this process tells of a loss: the first one that is left."""
    return bool(trainer.global_rank == (1 if loss.rank == 0 and not loss.signum else 0))


def give_up(trainer: Any, loss: Loss) -> NoReturn:
    """End this process, whose main thread waits for one that is gone."""
    speaks = speaks_of(trainer, loss)
    if loss.signum:
        program.leave(128 + loss.signum, f"{loss.how.replace('was ', '')} {program.when}", speaks)
    program.leave(1, line(trainer, loss), speaks)
