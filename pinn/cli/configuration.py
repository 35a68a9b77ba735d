"""Configuration files: found by name, and checked before anything is loaded to read them."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from pinn.base.messages import nearest
from pinn.cli.recipe import check_recipes
from pinn.cli.yaml_nodes import NULL, UsageError, entries, shown

CONFIGS = Path("configs")
SWEEP = "sweep.csv"  # the table of a sweep, in its folder
SECTIONS = ("model", "data", "trainer", "checkpoints", "pictures")


def find_config(name: str) -> Path:
    """A configuration by path, or by name in `configs/`, with or without `.yaml`.

    Raises:
        UsageError: there is none; the line lists those that exist. Or it is no mapping in YAML.
    """
    places = (Path(), CONFIGS, home())
    for candidate in [place / f"{name}{end}" for place in places for end in ("", ".yaml")]:
        if candidate.is_file():
            check_file(candidate)
            return candidate
    if Path(name).is_dir():
        raise UsageError(f"configuration {name!r} is a folder, {known_configs()}")
    hint = closest(Path(name).stem, config_names())
    raise UsageError(f"configuration {name!r} does not exist{hint}, {known_configs()}")


def home() -> Path:
    """The `configs/` beside `train.py`, for a call from another folder."""
    return Path(sys.argv[0]).resolve().parent / CONFIGS


def config_names() -> list[str]:
    """The names of the configurations that come with the project."""
    folder = CONFIGS if CONFIGS.is_dir() else home()
    return sorted(path.stem for path in folder.glob("*.yaml"))


def known_configs() -> str:
    """What exists, as the end of a line."""
    return f"there are: {', '.join(config_names()) or 'none'}"


def closest(name: str, known: Sequence[str]) -> str:
    """A near miss, as a parenthesis."""
    best = nearest(name, known)
    return f" (did you mean {best!r}?)" if best else ""


def run_name(config: Path) -> str:
    """What the runs of a configuration are filed under: its own name.

    A configuration saved with a run, `runs/<name>/<time>/config.yaml`, keeps that name.
    """
    folder = config.resolve().parent
    saved = re.fullmatch(r"config(\.resume-\d+)?", config.stem)
    timed = re.match(r"\d{4}-\d\d-\d\d_", folder.name)
    if saved and (timed or (folder / "checkpoints").is_dir()):
        return filed_under(folder)
    return config.stem


def filed_under(run: Path) -> str:
    """The name that a run is kept below, alone or in the folder of a sweep."""
    above = run.resolve().parent
    return above.parent.name if (above / SWEEP).is_file() else above.name


def check_file(path: Path) -> None:
    """Hold a file against what a configuration is.

    Raises:
        UsageError: it is not readable, empty, no YAML, or no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"{path} cannot be read: {reason}") from error
    node = parse_yaml(text, str(path))
    if node is None:
        raise UsageError(f"{path} is empty: expected keys such as model, data and trainer")
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        raise UsageError(f"{path} holds {kind}: expected keys such as model, data and trainer")
    for name, value in entries(node).items():
        empty = value.tag == NULL and name != "trainer"
        if name in SECTIONS and not isinstance(value, yaml.MappingNode) and not empty:
            raise UsageError(f"{path}: expected keys below {name!r}, got {shown(value)}")
    check_recipes(node, str(path))


def gives_phases(path: Path) -> bool:
    """Whether a configuration states phases."""
    node = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    for key in ("model", "phases"):
        node = entries(node).get(key)
    return node is not None


def parse_yaml(text: str, where: str) -> yaml.Node | None:
    """The nodes of a YAML text, nothing constructed.

    Raises:
        UsageError: the text is no YAML, or gives a key twice, of which YAML would take the last.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        check_nodes(node, where, "")
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        raise UsageError(f"{where} is no valid YAML{line}: {problem or error}") from error
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deeply") from error
    return node


def check_nodes(node: yaml.Node | None, where: str, key: str) -> None:
    """Refuse a mapping with two equal keys, and objects of a language, at any depth."""
    if node is not None and node.tag.startswith(("!", "tag:yaml.org,2002:python")):
        line = node.start_mark.line + 1
        raise UsageError(
            f"{where}, line {line}: {node.tag.split(':')[-1]!r} makes an object: "
            "expected plain data"
        )
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            check_nodes(item, where, key)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for name, value in node.value:
        line = name.start_mark.line + 1
        path = f"{key}.{name.value}".removeprefix(".")
        if name.tag in (NULL, "tag:yaml.org,2002:bool"):
            raise UsageError(
                f"{where}, line {line}: the key {name.value or 'null'!r} is no text: put it in "
                "quotes, or give a name"
            )
        if isinstance(name, yaml.ScalarNode) and name.value in seen:
            lines = f", in lines {seen[name.value]} and {line}" if line > 1 else ""
            raise UsageError(f"{where} gives {path!r} twice{lines}: remove one of them")
        seen[name.value] = line
        check_nodes(value, where, path)
