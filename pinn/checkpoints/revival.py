"""The problem and the networks of a checkpoint, made again; or what to call where they cannot be.

What a checkpoint holds of them is a recipe, class and arguments, as far as these are plain data.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from pinn.base.console import say
from pinn.base.messages import echo
from pinn.base.recipe import (
    MAIN,
    Spec,
    UnknownClassError,
    build,
    file_of,
    is_importable,
    named,
    revive_arguments,
    spec_of,
    whence,
)
from pinn.geometry.measurements import supplied
from pinn.networks import Network
from pinn.physics.problem import Problem
from pinn.solution.representation import SHARED
from pinn.solution.solution import Solution

Given = nn.Module | type[nn.Module]


class CheckpointError(ValueError):
    """A file that is not a usable checkpoint, or does not fit this run."""


class Revival:
    """The parts of one checkpoint; what is missing is collected, so that one line says it all.

    Args:
        path: the checkpoint.
        saved: its `pinn` entry.
        allowed: packages whose classes may be imported.
    """

    def __init__(self, path: str | Path, saved: Mapping[str, Any], allowed: Sequence[str]) -> None:
        self.path, self.saved, self.allowed = path, saved, allowed
        self.reasons: list[str] = []
        self.lacking: list[str] = []
        self.hint = ""
        self.call: list[str] = []  # the arguments that `load` needs

    def problem(self, given: Problem | type[Problem] | None) -> Problem | None:
        """The problem; None where it is missing.

        Raises:
            CheckpointError: what is given is no problem.
        """
        spec = self.saved["problem"]
        if given is None:
            return self.build(spec, "problem")
        if isinstance(given, type) and issubclass(given, Problem):
            given = self.make(given, spec)
        if not isinstance(given, Problem):
            raise CheckpointError(f"problem is {given!r}: expected a Problem, or the class of one")
        self.call.append(f"problem={type(given).__name__}")
        self.compare(given, spec)
        return given

    def network(
        self, given: Given | Mapping[str, Given] | None
    ) -> nn.Module | dict[str, nn.Module] | None:
        """The network, or one per unknown; None where one is missing."""
        spec = self.saved["network"]
        if given is None:
            return self.saved_network(spec)
        self.call.append("network=…")
        if isinstance(given, Mapping):
            specs = spec if isinstance(spec, dict) and "class_path" not in spec else {}
            return {name: self.given_network(net, specs.get(name)) for name, net in given.items()}
        return self.given_network(given, spec)

    def given_network(self, given: Given, spec: Any) -> nn.Module:
        """A network that is given, by its class perhaps."""
        if not isinstance(given, type):
            return given
        if not isinstance(spec, dict) or "class_path" not in spec:
            raise CheckpointError(
                f"{self.path} does not hold the arguments of {given.__name__}: pass an object, "
                f"network={given.__name__}(…)"
            )
        return self.make(given, spec)

    def saved_network(self, spec: Any) -> nn.Module | dict[str, nn.Module] | None:
        """The network as it was saved."""
        if spec is None:
            classes = self.saved.get("classes", {}).get("network", {})
            each = {name: f"{named(path)}(…)" for name, path in classes.items()}
            if set(each) - {SHARED}:
                wanted = "{" + ", ".join(f"{n!r}: {call}" for n, call in each.items()) + "}"
            else:
                wanted = each.get(SHARED, "…")
            self.lack(
                "the checkpoint does not hold the arguments of its network", f"network={wanted}"
            )
            return None
        if "class_path" in spec:
            return self.build(spec, "network")
        parts = {name: self.build(part, "network", name) for name, part in spec.items()}
        return None if any(part is None for part in parts.values()) else parts

    def build(self, spec: Spec, role: str, unknown: str = "") -> Any:
        """What a spec describes; None, and noted, where its class is not found."""
        try:
            with supplied(self.saved, first=True):
                made = build(spec, self.allowed)
            if not isinstance(made, Problem if role == "problem" else nn.Module):
                raise CheckpointError(
                    f"{self.path}: {echo(spec['class_path'])} named in the checkpoint is no {role}"
                )
            return made
        except UnknownClassError as error:
            script = self.script(error.class_path)
            if script in self.allowed and spec["class_path"] == error.class_path:
                path = error.class_path.replace(MAIN, script, 1)
                return self.build(spec | {"class_path": path}, role, unknown)
            self.miss(error.class_path, spec, role, unknown)
            return None

    def script(self, path: str) -> str:
        """The module that a script is for others, if a class was defined in one that was run."""
        file = self.saved.get("classes", {}).get("files", {}).get(path, "")
        own = path.startswith(f"{MAIN}.") and "<locals>" not in path
        return Path(file).stem if own and file.endswith(".py") else ""

    def miss(self, path: str, spec: Spec, role: str, unknown: str = "") -> None:
        """Note a class that is not found, in the spec of the problem or of a network."""
        file = self.saved.get("classes", {}).get("files", {}).get(path, "")
        name = named(path)
        wanted = f"{{{unknown!r}: {name}, …}}" if unknown else name
        outer = spec["class_path"] == path
        if self.allowed and outer and (script := self.script(path)):
            self.hint = (
                f"; or add --allow_import {script} (allow_import={script!r} in Python), if {file} "
                "calls pinn.fit only under if __name__ == '__main__'"
            )
        self.lack(f"{whence(path, file)} and not found here", f"{role}={wanted if outer else '…'}")

    def lack(self, reason: str, argument: str) -> None:
        """Note that something is missing, and what to pass for it."""
        self.reasons.append(reason)
        self.lacking.append(argument)
        self.call.append(argument)

    def complaint(self) -> CheckpointError:
        """What is missing, with the call that works."""
        call = ", ".join([repr(str(self.path)), *self.call])
        return CheckpointError(
            f"{self.path}: {'; '.join(dict.fromkeys(self.reasons))}: pass "
            f"{', '.join(self.lacking)}, as in pinn.load({call}){self.hint}"
        )

    def make(self, cls: type, spec: Spec) -> Any:
        """A class that is given, with the arguments in the checkpoint.

        Raises:
            CheckpointError: it does not take them.
        """
        try:
            with supplied(self.saved, first=True):
                return cls(**revive_arguments(spec, self.allowed))
        except TypeError as error:
            raise CheckpointError(
                f"{cls.__name__} does not take the arguments in {self.path} ({error}): pass an "
                "object of it"
            ) from error

    def compare(self, problem: Problem, spec: Spec) -> None:
        """Say where a problem that is given is not the one that was solved."""
        try:
            given = spec_of(problem)
        except ValueError:  # of arguments that are no plain data
            return
        name, saved = named(given["class_path"]), named(spec["class_path"])
        found = [f"it is {name}, where the checkpoint has {saved}"] if name != saved else []
        for key, value in spec["init_args"].items():
            now = given["init_args"].get(key, value)
            if now != value:
                found.append(f"{key} is {echo(now)}, where the checkpoint has {echo(value)}")
        if found:
            say(f"note      the problem given for {self.path}: {'; '.join(found)}")


def check_importable(path: str | Path, saved: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of classes that no other process can find by their names.

    Raises:
        CheckpointError: with what opens it.
    """
    revival = Revival(path, saved, ())
    specs = saved["network"] or {}
    networks = {SHARED: specs} if "class_path" in specs else specs
    for role, spec in {"problem": saved["problem"], **networks}.items():
        if spec["class_path"].startswith(f"{MAIN}.") or "<locals>" in spec["class_path"]:
            revival.miss(spec["class_path"], spec, "problem" if role == "problem" else "network")
    if revival.reasons:
        raise CheckpointError(
            f"{revival.complaint()} in Python; or put the class into a file of its own, and "
            "name it there by --config"
        )


def network_specs(solution: Solution) -> Any:
    """How the networks were made; None where one is a module that keeps no record of it."""
    try:
        specs = {name: spec_of(network) for name, network in solution.networks.items()}
    except ValueError:
        if all(keeps_record(network) for network in solution.networks.values()):
            raise
        return None
    return specs.get(SHARED, specs) if len(specs) == 1 else specs


def keeps_record(network: nn.Module) -> bool:
    """Whether a network is one of the package's kind, which has to be in its checkpoints."""
    return isinstance(network, Network)


def class_names(solution: Solution) -> dict[str, Any]:
    """The classes of the networks, and the files of classes outside this package."""
    classes = [type(solution.problem), *(type(net) for net in solution.networks.values())]
    own = [cls for cls in classes if cls.__module__.split(".")[0] not in ("pinn", "torch")]
    return {
        "network": {name: full_name(type(net)) for name, net in solution.networks.items()},
        "files": {full_name(cls): file_of(cls) for cls in own},
    }


def full_name(cls: type) -> str:
    """The name of a class as a recipe states it."""
    return f"{cls.__module__}.{cls.__qualname__}"


def notes(solution: Solution) -> list[str]:
    """What opening the checkpoints of a run will need, said before it trains; a line each."""
    recorded = network_specs(solution) is not None
    parts = {"problem": solution.problem} | dict(solution.networks.items())
    lines = []
    for role, part in parts.items():
        cls, key = type(part), "problem" if role == "problem" else "network"
        if not recorded and key == "network":
            lines.append(
                f"how {cls.__name__} was made is not in the checkpoints: open them by "
                f"pinn.load(FILE, network={cls.__name__}(…))"
            )
        elif not is_importable(cls):
            lines.append(
                f"{whence(full_name(cls), file_of(cls))}: another session opens its checkpoints by "
                f"pinn.load(FILE, {key}={cls.__name__})"
            )
    return list(dict.fromkeys(lines))
