"""From the parser's reports, which are trees, to one line: the key, the value, the remedy."""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pinn.cli.configuration import closest
from pinn.cli.trust import refusal
from pinn.cli.vocabulary import BASES, SECTIONS, classes, parameters, subclasses, suggestion

# Lines that frame the cause or repeat the value at length.
FRAME = re.compile(
    "Expected a path but|Does not validate|Subtypes:|Errors:|Given value|Problem with"
    r"|Subclass types|a class path \(str\)|a dict with"
)
BELOW = re.compile(r'Parser key "([^"]+)":\s*')
KEY = re.compile(r"(?:Option '|accept option '|unrecognized arguments: )([^\s']+)")
ABSENT = re.compile(r"module '([^']+)' has no attribute '([^']+)'")
CLASS = re.compile(
    r"Expected a dot import path|Import path \S+ does not|module \S+ has no attribute|No module"
    "|Not a valid subclass"
)
LINK = re.compile("^Call to compute_fn of link .*? failed: ")
DENIED = re.compile(r"Importing '([^']+)' is not allowed")
MADE = re.compile(r"class_path '([^']+)'")
TYPE = re.compile(r"Expected an? (.+?)(?:\. Got value: (.*))?$")
MISSING = re.compile(r"argument (\S+): expected one|arguments are required: (?:fit\.)?([^\s,]+)")
# Where a report states the value, the most particular first.
VALUES = (
    r"Got value: (.*)",
    r"(?:path string:|Import path) (\S+)",
    r"Given value: (.*)",
    r"class_path '([^']+)'",
)


@dataclass
class Cause:
    """A leaf of a report: how deep it lies, below which key, and what it says."""

    depth: int
    key: str
    text: str


def explain(report: object) -> str:
    """The cause in a report of a mistake, as one line.

    Reports are indented trees: alternatives are tried, each fails for its own reason, and the
    deepest reason is that of the alternative that fitted best.

    Args:
        report: a message of jsonargparse, or of the class it made.
    """
    text = LINK.sub("", str(report))
    if match := DENIED.search(text):
        return refusal(match[1])
    found = list(causes(text)) or [Cause(0, "", text or type(report).__name__)]
    depth = max(cause.depth for cause in found)
    best = [cause for cause in found if cause.depth == depth]
    telling = next((cause for cause in best if not TYPE.match(cause.text)), None)
    telling = next((cause for cause in best if CLASS.search(cause.text)), telling)
    leaf = (telling or best[0]).text
    value = given(leaf) or stated(text[text.find(leaf) :]) or given(text)
    if telling is None:
        return wrong_type(best, value, text)
    return remedy(telling, value, text)


def causes(report: str) -> Iterator[Cause]:
    """The leaves of a report."""
    above: list[tuple[int, str]] = []
    for line in filter(str.strip, report.splitlines()):
        text = line.strip()
        depth = len(line) - len(line.lstrip())
        while text.startswith("- "):
            text, depth = text[2:], depth + 2
        above = [(d, key) for d, key in above if d < depth]
        if match := BELOW.match(text):
            above.append((depth, match[1]))
            text, depth = text[match.end() :], depth + 1
        if text and not FRAME.match(text):
            yield Cause(depth, ".".join(dict.fromkeys(key for _, key in above)), text)


def given(report: str) -> str:
    """The value that a report is about; empty if it does not say."""
    found = (match[1] for pattern in VALUES if (match := re.search(pattern, report)))
    return next(found, "")


def stated(report: str) -> str:
    """The value that is stated next, as the frame around a cause does behind it."""
    match = re.search(r"(?:Got|Given) value: (.*)", report)
    return match[1] if match else ""


def wrong_type(found: Sequence[Cause], value: str, report: str) -> str:
    """A value that is none of the types which a key can have."""
    names = [TYPE.sub(r"\1", cause.text) for cause in found]
    choices = [c for name in names if "Literal" in name for c in re.findall(r"'([^']+)'", name)]
    kinds = [
        "one of " + ", ".join(choices)
        if "Literal" in name
        else name.removeprefix("<class '").removesuffix("'>").split(".")[-1]
        for name in names
        if "NoneType" not in name
    ]
    expected = " or ".join(dict.fromkeys(kinds))
    key, entry = found[0].key or "a value", item(report, value)
    if entry and entry != key.rpartition(".")[2]:
        key = f"{key}.{entry}"
    if value.lstrip("-.").lower() in ("nan", "inf"):
        return f"{key} is {value}: it must be a finite number"
    shown = "null" if value == "None" else repr(value)
    return f"{key} is {shown}: expected {expected}{closest(value, choices)}"


def item(report: str, value: str) -> str:
    """Which entry of a dictionary a value is, if a report states them; else empty."""
    if match := re.search(r"Given value: NestedArg\(key='([^']+)'", report):
        return match[1]
    whole = re.search(r"Given value: (\{.*\})$", report, re.MULTILINE)
    try:
        entries = ast.literal_eval(whole[1]) if whole else {}
    except (ValueError, SyntaxError):
        return ""
    return next((str(key) for key, entry in entries.items() if str(entry) == value), "")


def remedy(cause: Cause, value: str, report: str) -> str:
    """A cause in this program's words."""
    key, text = cause.key, cause.text
    if match := KEY.search(text):
        return unknown_key(match[1], key, report)
    if match := MISSING.search(text):
        return f"{match[1] or f'{key}.{match[2]}'.strip('.')} needs a value"
    if CLASS.search(text):
        if match := ABSENT.search(text):
            value = f"{match[1]}.{match[2]}"
        text = unknown_class(value, key or text.partition(".help:")[0])
    if "cannot import name" in text and (made := MADE.findall(report)):
        text = f"{made[-1]}: {text.partition(' (/')[0]}"
    return f"{key}: {text}" if key else text


def unknown_class(value: str, key: str) -> str:
    """A class that does not exist, or is of another kind: the closest one that would do."""
    base = BASES.get(key.split(".")[-1])
    known = [] if base is None else [c.__name__ for c in subclasses(base)]
    place, _, name = value.rpartition(".")
    own = [n for n, c in vars(sys.modules.get(place, None) or object).items() if made_in(place, c)]
    if base is not None and (name in own or value in (c.__name__ for c in classes())):
        return f"{value!r} is no {base.__name__}{suggestion('', known)}"
    return f"unknown class {value!r}{suggestion(name, own or known)}"


def made_in(module: str, thing: object) -> bool:
    """Whether a thing is a class that a module defines."""
    return isinstance(thing, type) and thing.__module__ == module


def unknown_key(name: str, above: str, report: str) -> str:
    """A key that does not exist: the closest one that does."""
    path = name.removeprefix("--").partition("=")[0].split(".")
    if name == "class_path":
        return f"{above}: beside class_path there can only be init_args"
    if above:
        made = MADE.findall(report.partition(f"'{name}'")[0])
        module, _, name = made[-1].rpartition(".") if made else ("", "", "")
        cls = getattr(sys.modules.get(module), name, None)
        cls = cls or {found.__name__: found for found in classes()}.get(name)
        known = parameters(cls) if isinstance(cls, type) else []
    elif path[0] not in SECTIONS:
        known, path = ["seed_everything", *SECTIONS], path[:1]
    else:
        known, path = parameters(SECTIONS[path[0]]), path[:2]
    full = ".".join([above, *path]).strip(".")
    return f"unknown key {full!r}{suggestion(path[-1], known)}"
