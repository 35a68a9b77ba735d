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


def imports(tree):
    """What a module imports, in functions and for annotations too.

    A name imported from a package counts as the module of that name, where there is one.
    """
    waiting, names = list(tree.body), set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in full}
        else:
            waiting += ast.iter_child_nodes(node)
    return names


def rooms():
    """The rooms of the design's table, from the top."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.split("\n## ")[1]
    return re.findall(r"^\| `([a-z_]+)/?` \|", table, flags=re.M)


def room(module):
    """The room of a module: the name below `pinn`."""
    return module.split(".")[1]


def allowed(name):
    """The rooms that a room may import, as its docstring says."""
    text = ast.get_docstring(MODULES[f"pinn.{name}"]) or ""
    (listed,) = re.findall(r"May import: ([^.]*)\.", text) or [""]
    return {word.strip() for word in listed.split(",")} - {"", "nothing of this package"}


INSIDE = {module: tree for module, tree in MODULES.items() if module != "pinn"}
PACKAGES = sorted({room(module) for module in INSIDE} - {"api", "__main__"})


def test_the_design_lists_every_room_once():
    assert sorted(rooms()) == sorted({room(module) for module in INSIDE})


def test_few_modules_lie_flat():
    assert len(list((ROOT / "pinn").glob("*.py"))) <= 6


@pytest.mark.parametrize("name", PACKAGES)
def test_a_room_imports_what_it_says_and_only_from_below(name):
    order = rooms()
    assert allowed(name) <= set(order[order.index(name) + 1 :])
    used = {
        f"{module} imports {other}": room(other)
        for module, tree in INSIDE.items()
        if room(module) == name
        for other in imports(tree)
        if other.startswith("pinn.") and room(other) != name
    }
    assert {line for line, other in used.items() if other not in allowed(name)} == set()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_room_names_its_files(name):
    listed = re.findall(r"^    (\w+) ", ast.get_docstring(MODULES[f"pinn.{name}"]), flags=re.M)
    below = {module.split(".")[2] for module in INSIDE if module.startswith(f"pinn.{name}.")}
    assert sorted(listed) == sorted(below)


@pytest.mark.parametrize(
    "home", ["pinn.algebra.rules", "pinn.geometry.plane", "pinn.geometry.solid"]
)
def test_a_part_of_a_room_names_its_files(home):
    listed = re.findall(r"^    (\w+) ", ast.get_docstring(MODULES[home]), flags=re.M)
    files = {module.split(".")[3] for module in INSIDE if module.startswith(f"{home}.")}
    assert sorted(listed) == sorted(files)


def test_no_module_needs_itself():
    graph = {
        module: {other for other in imports(tree) if other in MODULES} - {module}
        for module, tree in INSIDE.items()
    }
    assert graph["pinn.training.solver"] >= {"pinn.solution.solution", "pinn.training.schedule"}
    TopologicalSorter(graph).prepare()  # a cycle raises, and is named


def test_nothing_below_checkpoints_knows_lightning():
    order = rooms()
    know = {
        module
        for module, tree in INSIDE.items()
        if any(name.split(".")[0] in ("lightning", "pytorch_lightning") for name in imports(tree))
    }
    assert "pinn.training.lightning_adapter" in know
    below = {m for m in know if order.index(room(m)) > order.index("checkpoints")}
    assert below <= {"pinn.base.console"}


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


@pytest.mark.parametrize("module", ["pinn", "pinn.cli.main"])
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
    assert seen == {(home, name) for home, names in pinn._HOMES.items() for name in names.split()}
