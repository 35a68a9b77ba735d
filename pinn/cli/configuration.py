"""Configuration files: found by name, and checked before anything is loaded to read them."""

import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pinn.base.messages import cut, echo, nearest
from pinn.base.paths import is_file, unreadable
from pinn.checkpoints.migrations import KEYS, renamed
from pinn.cli.recipe import FORM, check_recipes, is_recipe
from pinn.cli.schema import SECTIONS
from pinn.cli.yaml_nodes import (
    BOOL,
    DEEPEST,
    GIVEN,
    NULL,
    SAVED,
    Bounds,
    UsageError,
    composed,
    entries,
    shown,
)

CONFIGS = Path("configs")
SWEEP = "sweep.csv"  # the table of a sweep, in its folder


def find_config(name: str) -> Path:
    """A configuration by path, or by name in `configs/`, with or without `.yaml`.

    Raises:
        UsageError: there is none; the line lists those that exist. Or it is no mapping in YAML.
    """
    places = (Path(), CONFIGS, home())
    for candidate in [place / f"{name}{end}" for place in places for end in ("", ".yaml")]:
        if is_file(candidate):
            check_file(candidate)
            return candidate
    why = unreadable(name) or "cannot be read"
    hint = closest(Path(name).stem, config_names()) if why == "does not exist" else ""
    raise UsageError(f"configuration {echo(name)} {why}{hint}, {known_configs()}")


def home() -> Path:
    """The `configs/` beside the package, for a call from another folder."""
    return Path(__file__).resolve().parents[2] / CONFIGS


def config_names() -> list[str]:
    """The names of the configurations that come with the project."""
    folder = CONFIGS if CONFIGS.is_dir() else home()
    return sorted(path.stem for path in folder.glob("*.yaml"))


def known_configs() -> str:
    """What exists, as the end of a line."""
    if names := config_names():
        return f"there are: {', '.join(names)}"
    return (
        "there are none here: those of the project lie in configs/ of its repository, which an "
        "installed package does not have"
    )


def closest(name: str, known: Sequence[str]) -> str:
    """A near miss, as a parenthesis."""
    best = nearest(name, known)
    return f" (did you mean {echo(best)}?)" if best else ""


def run_name(config: Path) -> str:
    """What the runs of a configuration are filed under: its own name.

    A configuration saved with a run, `runs/<name>/<time>/config.yaml`, keeps that name.
    """
    return filed_under(config.resolve().parent) if is_saved(config) else config.stem


def is_saved(config: Path) -> bool:
    """Whether a configuration was saved with a run, by its name and its folder."""
    folder = config.resolve().parent
    named = re.fullmatch(r"config(\.resume-\d+)?", config.stem)
    timed = re.match(r"\d{4}-\d\d-\d\d_", folder.name)
    return bool(named and (timed or (folder / "checkpoints").is_dir()))


def bounds_of(config: str | Path) -> Bounds:
    """How much a configuration file may hold."""
    return SAVED if is_saved(Path(config)) else GIVEN


def filed_under(run: Path) -> str:
    """The name that a run is kept below, alone or in the folder of a sweep."""
    above = run.resolve().parent
    return above.parent.name if (above / SWEEP).is_file() else above.name


def check_file(path: Path) -> None:
    """Hold a file against what a configuration is.

    Raises:
        UsageError: it is not readable, empty, no YAML, or no mapping.
    """
    node = parse_yaml(text_of(path), str(path), bounds_of(path))
    if node is None:
        raise UsageError(f"{path} is empty: expected keys such as model, data and trainer")
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        raise UsageError(f"{path} holds {kind}: expected keys such as model, data and trainer")
    for name, value in entries(node).items():
        empty = value.tag == NULL and name != "trainer"
        if name in SECTIONS and not isinstance(value, yaml.MappingNode) and not empty:
            raise UsageError(f"{path}: expected keys below {echo(name)}, got {shown(value)}")
    check_recipes(node, str(path))
    for old, new in KEYS.items():
        section, _, key = old.partition(".")
        if key in entries(entries(node).get(section)):
            print(f"note      {path}: {old} is called {new} now", file=sys.stderr)


def text_of(path: str | Path) -> str:
    """The text of a configuration; no more of it is read than a configuration can have.

    Raises:
        UsageError: it cannot be read, is no text, or is too long.
    """
    most = bounds_of(path).characters
    try:
        with Path(path).open("rb") as file:
            content = file.read(4 * most + 1)
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        if isinstance(error, UnicodeDecodeError) and len(content) > 4 * most:
            reason = f"it is too long, a configuration has at most {most} characters"
        raise UsageError(f"{path} cannot be read: {reason}") from error


def gives_phases(path: Path) -> bool:
    """Whether a configuration states phases."""
    node = parse_yaml(text_of(path), str(path), bounds_of(path))
    for key in ("model", "phases"):
        node = entries(node).get(key)
    return node is not None


@lru_cache(maxsize=32)  # a file is asked for its phases, its keys and its values
def parse_yaml(text: str, where: str, bounds: Bounds = GIVEN) -> yaml.Node | None:
    """The nodes of a YAML text, nothing constructed.

    Raises:
        UsageError: the text is no YAML, has no end that can be waited for, or gives a key twice, of
            which YAML would take the last.
    """
    try:
        node = composed(text, where, bounds)
        check_nodes(node, where, "")
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        raise UsageError(f"{where} is not valid YAML{line}: {problem or error}") from error
    return node


def check_nodes(node: yaml.Node | None, where: str, key: str) -> None:
    """Refuse a mapping with two equal keys, and objects of a language, at any depth."""
    if node is not None and node.tag.startswith(("!", "tag:yaml.org,2002:python")):
        line = node.start_mark.line + 1
        raise UsageError(
            f"{where}, line {line}: {echo(node.tag.split(':')[-1])} makes an object: "
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
        if name.tag in (NULL, BOOL) or not isinstance(name, yaml.ScalarNode):
            written = shown(name) if name.tag != BOOL else echo(name.value)
            raise UsageError(
                f"{where}, line {line}: the key {written} is no text: put it in "
                "quotes, or give a name"
            )
        if name.value in seen:
            lines = f", in lines {seen[name.value]} and {line}" if line > 1 else ""
            raise UsageError(f"{where} gives {echo(path)} twice{lines}: remove one of them")
        seen[name.value] = line
        check_nodes(value, where, path)


def gathered(files: Sequence[str], flags: Sequence[str]) -> dict[str, Any]:
    """The settings of configuration files and of `--KEY=VALUE`, the later over the earlier.

    Raises:
        UsageError: a text gives a key twice, or makes an object.
    """
    settings: dict[str, Any] = {}
    for file in files:
        settings = merged(settings, loaded(text_of(file), file, bounds=bounds_of(file)))
    for flag in flags:
        option, _, text = flag.partition("=")
        key = option.removeprefix("--")
        if key.count(".") > DEEPEST:
            raise UsageError(f"{echo(option)} is nested too deeply: at most {DEEPEST} levels")
        put(settings, key.split("."), loaded(text, echo(text), key))
    return settings


def loaded(text: str, where: str, key: str = "", bounds: Bounds = GIVEN) -> Any:
    """A text as YAML; as it is where it is none."""
    try:
        if (node := parse_yaml(text, where, bounds)) is not None:
            check_recipes(node, where, key)
        return yaml.safe_load(text) if key else renamed(yaml.safe_load(text))
    except UsageError as error:
        if isinstance(error.__cause__, yaml.YAMLError):
            return text
        raise
    except Exception as error:  # a day that does not exist, 5,000 digits, `!!int` of nothing
        line = cut(" ".join(str(error).split()))
        raise UsageError(f"{where} holds a value that cannot be: {line}") from error


def merged(old: Any, new: Any) -> Any:
    """What is given later over what was given before; the arguments of another class go."""
    if is_recipe(old) and isinstance(new, str):
        new = {"class_path": new}
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    if new.get("class_path", old.get("class_path")) != old.get("class_path"):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def put(settings: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Give a value to a key; below a class, to an argument of it."""
    name, *rest = path
    inner = settings.get(name)
    if not rest and name.endswith("+"):
        before = settings.get(name[:-1])
        more = value if isinstance(value, list) else [value]
        settings[name[:-1]] = [*(before if isinstance(before, list) else []), *more]
    elif not rest:
        if name == "class_path" and inner != value:
            settings.pop("init_args", None)  # those of another class
        settings[name] = merged(inner, value)
    elif not isinstance(inner, list):  # of lists the parser knows which entry is meant
        inner = {"class_path": inner} if isinstance(inner, str) else dict(inner or {})
        settings[name] = inner
        if "class_path" in inner and rest[0] not in FORM:
            rest = ["init_args", *rest]
        put(inner, rest, value)
