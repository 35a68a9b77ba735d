"""How the package is built: imports point one way, files and functions stay short."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pinn

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "pinn").rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]


def dotted(path):
    """The module in a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def imports(tree, late=True):
    """What a module imports to run: annotations need nothing, and `late` imports are in functions.

    A name imported from a package counts as the module of that name, where there is one.
    """
    waiting, found = list(tree.body), set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif late or not isinstance(node, ast.FunctionDef):
            waiting += ast.iter_child_nodes(node)
    return found


def layers():
    """Part of the package → its row in the design's table, counted from the top."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.split("\n## ")[1]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [(name.rstrip("/"), row) for row, cell in enumerate(rows) for name in names_in(cell)]


def names_in(cell):
    return re.findall(r"`([a-z_]+/?)`", cell)


def part(module):
    """The part of the package that a module belongs to: the name below `pinn`."""
    return module.split(".")[1]


def test_the_design_lists_every_part_once():
    listed = [name for name, _ in layers()]
    assert len(listed) == len(set(listed))
    assert set(listed) == {part(module) for module in MODULES if module != "pinn"}


def test_imports_point_down_the_design():
    row = dict(layers())
    upwards = [
        f"{module} imports {other}"
        for module, tree in MODULES.items()
        if module != "pinn"
        for other in imports(tree)
        if other.startswith("pinn.") and row[part(other)] < row[part(module)]
    ]
    assert upwards == []


def test_no_module_needs_itself():
    graph = {
        module: {other for other in imports(tree, late=False) if other in MODULES} - {module}
        for module, tree in MODULES.items()
    }
    assert graph["pinn.solver"] >= {"pinn.solution", "pinn.objective"}
    TopologicalSorter(graph).prepare()  # a cycle raises, and is named


def test_nothing_below_the_solver_knows_lightning():
    row = dict(layers())
    know = {
        module
        for module, tree in MODULES.items()
        if any(name.split(".")[0] in ("lightning", "pytorch_lightning") for name in imports(tree))
    }
    assert "pinn.lean" in know
    assert {module for module in know if row[part(module)] > row["solver"]} == set()


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    functions = [n for n in ast.walk(MODULES[dotted(path)]) if isinstance(n, ast.FunctionDef)]
    assert {f.name: lines_of_code(f) for f in functions if lines_of_code(f) > 40} == {}


def lines_of_code(function):
    """The lines of a function, without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    text = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - text


def test_the_program_is_short():
    assert len((ROOT / "train.py").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_everything_public_is_described(path):
    tree = MODULES[dotted(path)]
    bodies = [tree.body, *(n.body for n in tree.body if isinstance(n, ast.ClassDef))]
    nodes = [n for body in bodies for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    public = [node for node in nodes if not node.name.startswith("_")]
    assert [node.name for node in public if ast.get_docstring(node) is None] == []
    assert ast.get_docstring(tree) is not None


@pytest.mark.parametrize("module", ["pinn", "pinn.cli.launch"])
def test_importing_does_not_load_torch(module):
    code = f"import sys, {module}; print('torch' in sys.modules, 'numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert answer.stdout.split() == ["False", "False"], answer.stderr


def test_public_names_resolve():
    missing = [name for name in pinn.__all__ if getattr(pinn, name, None) is None]
    assert missing == []
    assert set(dir(pinn)) == set(pinn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lapalcian'"):
        pinn.lapalcian  # noqa: B018


def test_type_checkers_see_the_same_public_names():
    (block,) = [n for n in MODULES["pinn"].body if isinstance(n, ast.If)]
    seen = {(node.module, alias.name) for node in block.body for alias in node.names}
    assert seen == {(home, name) for home, names in pinn._HOMES.items() for name in names}
