"""Code lines of the package, room by room: no blank line, no comment, no docstring.

    python benchmarks/code_lines.py               the working tree
    python benchmarks/code_lines.py v0.1.0 HEAD   two commits, side by side

A line inside a text of several lines counts, unless it is blank.
"""

import argparse
import ast
import io
import subprocess
import tokenize
from collections import Counter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(text: str) -> int:
    """The lines of a module that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT and token.string.strip():
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            lines.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    written = text.splitlines()
    return sum(1 for number in lines if written[number - 1].strip())


def sources(commit: str | None) -> dict[str, str]:
    """Path → text of the package's modules, in a commit or in the working tree."""
    if commit is None:
        files = sorted((ROOT / "pinn").rglob("*.py"))
        return {f.relative_to(ROOT).as_posix(): f.read_text(encoding="utf-8") for f in files}
    git = ["git", "-C", str(ROOT)]
    names = subprocess.check_output(
        [*git, "ls-tree", "-r", "--name-only", commit, "pinn"], text=True
    )
    files = [name for name in names.splitlines() if name.endswith(".py")]
    return {f: subprocess.check_output([*git, "show", f"{commit}:{f}"], text=True) for f in files}


def rooms(commit: str | None) -> Counter[str]:
    """Room → its code lines; modules that lie flat count as one room."""
    counts: Counter[str] = Counter()
    for name, text in sources(commit).items():
        parts = PurePosixPath(name).parts
        counts[parts[1] if len(parts) > 2 else "(flat)"] += code_lines(text)
    return counts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs="*", help="commits to count; without one, the tree")
    commits = parser.parse_args().commits or [None]
    columns = [rooms(commit) for commit in commits]
    print(f"{'room':14s}" + "".join(f"{commit or 'tree':>12s}" for commit in commits))
    for room in sorted(set().union(*columns)):
        print(f"{room:14s}" + "".join(f"{column[room]:12d}" for column in columns))
    print(f"{'all':14s}" + "".join(f"{column.total():12d}" for column in columns))


if __name__ == "__main__":
    main()
