"""What only the parser finds: from its reports, which are trees, to one line.

`schema` has told most mistakes before. What is left is a class of another package, and what a class
itself says of its arguments. All that is known of the parser's wording is here; a report worded in
another way is shown as it is.
"""

import re
import sys
from collections.abc import Iterator

from pinn.base.messages import near_miss
from pinn.cli.schema import refusal

# Lines that frame the cause or repeat the value at length.
FRAME = re.compile(
    "Expected a path but|Does not validate|Subtypes:|Errors:|Given value|Problem with"
    r"|Subclass types|a class path \(str\)|a dict with"
)
BELOW = re.compile(r'Parser key "([^"]+)":\s*')
KEY = re.compile(r"(?:Option '|accept option '|unrecognized arguments: --)([^\s'=]+)")
DENIED = re.compile(r"Importing '([^']+)' is not allowed")
ABSENT = re.compile(r"module '([^']+)' has no attribute '([^']+)'")
MADE = re.compile(r"class_path '([^']+)'")
UNKNOWN = re.compile(r"Expected a dot import path string: (\S+)")
TYPE = re.compile(r"Expected an? .+?(?:\. Got value: .*)?$")
MISSING = re.compile(r"argument (\S+): expected one|arguments are required: ([^\s,]+)")


def explain(report: object) -> str:
    """The cause in a report of a mistake, as one line.

    Reports are indented trees: alternatives are tried, each fails for its own reason, and the
    deepest reason is that of the alternative that fitted best.

    Args:
        report: a message of jsonargparse, or of the class it made.
    """
    text = str(report)
    if match := DENIED.search(text):
        return refusal(match[1])
    leaves = list(causes(text)) or [(0, "", text or type(report).__name__)]
    depth = max(depth for depth, *_ in leaves)
    deepest = [(key, cause) for at, key, cause in leaves if at == depth]
    # That a value is of another type says less than what a class says of it.
    key, cause = next((leaf for leaf in deepest if not TYPE.match(leaf[1])), deepest[0])
    if match := KEY.search(cause):
        return f"unknown key {f'{key}.{match[1]}'.strip('.')!r}"
    if match := MISSING.search(cause):
        return f"{match[1] or f'{key}.{match[2]}'.strip('.')} needs a value"
    if (match := ABSENT.search(cause)) and match[1] in sys.modules:
        known = [name for name, it in vars(sys.modules[match[1]]).items() if isinstance(it, type)]
        return f"{key}: unknown class '{match[1]}.{match[2]}': {near_miss(match[2], known)}"
    if match := UNKNOWN.search(cause):
        return f"{key}: unknown class {match[1]!r}: give its path, such as my_problem.{match[1]}"
    if "cannot import name" in cause and (made := MADE.findall(text)):
        cause = f"{made[-1]}: {cause.partition(' (/')[0]}"
    return f"{key}: {cause}" if key else cause


def causes(report: str) -> Iterator[tuple[int, str, str]]:
    """The leaves of a report: how deep each lies, below which key, and what it says."""
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
            yield depth, ".".join(dict.fromkeys(key for _, key in above)), text
