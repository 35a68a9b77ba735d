"""What earlier versions called otherwise: one table for checkpoints, configurations and calls.

A change of the format is one more number, and one more entry of `MIGRATIONS`.
"""

from collections.abc import Callable, Mapping
from typing import Any

FORMAT = 3
SEALED = 3  # from this format on a file ends in a hash of its bytes
# Key of a configuration, then → now. Every setting has a name of its own.
KEYS = {"model.strategy": "model.derivatives", "model.balance": "model.weighting"}
# Path of a class, or its name in the state of callbacks, then → now.
CLASSES: dict[str, str] = {"Alarm": "LowLossWarning"}


def renamed(config: Any) -> Any:
    """The sections of a configuration, its keys as they are called now."""
    if not isinstance(config, Mapping):
        return config
    sections = dict(config)
    for old, new in KEYS.items():
        section, _, key = old.partition(".")
        below = sections.get(section)
        if isinstance(below, Mapping) and key in below:
            name = new.partition(".")[2]
            sections[section] = {name if k == key else k: v for k, v in below.items()}
    return sections


def option(flag: str) -> str:
    """`--KEY=VALUE`, or `--KEY`, with the key as it is called now; other words as they are."""
    key, equals, value = flag.partition("=")
    new = KEYS.get(key.removeprefix("--")) if key.startswith("--") else None
    return flag if new is None else f"--{new}{equals}{value}"


def moved(value: Any) -> Any:
    """Plain data with the paths of classes as they are now, at any depth."""
    if isinstance(value, list):
        return [moved(item) for item in value]
    if isinstance(value, dict):
        return {CLASSES.get(key, key): moved(item) for key, item in value.items()}
    return CLASSES.get(value, value) if isinstance(value, str) else value


def names_of_settings(contents: dict[str, Any]) -> dict[str, Any]:
    """Format 1 → 2: `balance` is `weighting`; a phase that had ended says by what."""
    saved = dict(contents["pinn"])
    for old, new in (("balance", "weighting"), ("balance_state", "weighting_state")):
        if old in saved:
            saved[new] = saved.pop(old)
    if (course := saved.get("course")) and "cause" not in course:
        known = {"": "", "all of its steps are taken": "steps"}
        saved["course"] = {**course, "cause": known.get(course["ended"], "stalled")}
    flags = [option(flag) for flag in contents.get("flags", [])]
    return {**contents, "pinn": saved, "flags": flags}


def versions_noted(contents: dict[str, Any]) -> dict[str, Any]:
    """Format 2 → 3: which versions wrote it is noted, and the file has a hash."""
    return {**contents, "pinn": {"versions": {}, **contents["pinn"]}}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: names_of_settings,
    2: versions_noted,
}


def current(contents: dict[str, Any]) -> dict[str, Any]:
    """The contents of a checkpoint in today's format."""
    for number in range(contents["pinn"]["format"], FORMAT):
        contents = MIGRATIONS[number](contents)
    saved = {**contents["pinn"], "format": FORMAT}
    for part in ("problem", "network", "classes"):
        saved[part] = moved(saved.get(part, {} if part == "classes" else None))
    states = {"callbacks": moved(contents["callbacks"])} if "callbacks" in contents else {}
    return {**contents, "pinn": saved, **states}
