"""Objects that remember how they were made, and what may be rebuilt from a file."""

import copy
import io
import json
import pickle
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pinn.base.recipe import Restorable, build, spec_of
from pinn.networks import MLP, FourierFeatures, Periodic


class Heat(Restorable):
    def __init__(self, alpha=1.0, bounds=(0.0, 1.0), *, source=None, **extra):
        super().__init__()
        self.alpha = alpha


class Module(Restorable):
    def __init__(self, part):
        super().__init__()
        self.part = part


def arguments(*args, **kwargs):
    return spec_of(Heat(*args, **kwargs))["init_args"]


# --- recording


def test_defaults_and_keywords_are_recorded():
    plain = {"alpha": 1.0, "bounds": [0.0, 1.0], "source": None}
    assert arguments() == plain
    assert arguments(2, source="sin") == {**plain, "alpha": 2, "source": "sin"}
    assert arguments(extra=3) == {**plain, "extra": 3}
    assert spec_of(Heat())["class_path"] == f"{Heat.__module__}.Heat"


def test_values_become_plain():
    got = arguments(
        np.float64(0.5),
        ((1, 2), [torch.tensor(3.5, dtype=torch.float64)]),
        source={"on": np.bool_(True), "n": np.int32(4), "none": None},
    )
    assert got == {
        "alpha": 0.5,
        "bounds": [[1, 2], [3.5]],
        "source": {"on": True, "n": 4, "none": None},
    }
    assert type(got["alpha"]) is float
    assert type(got["source"]["on"]) is bool
    assert type(got["source"]["n"]) is int


def test_nested_objects_become_their_own_specs():
    network = MLP(8, embedding=Periodic({"x": 1.0}))
    assert spec_of(network) == {
        "class_path": "pinn.networks.mlp.MLP",
        "init_args": {
            "width": 8,
            "depth": 4,
            "activation": "tanh",
            "embedding": {
                "class_path": "pinn.networks.embeddings.Periodic",
                "init_args": {"periods": {"x": 1.0}, "harmonics": 1},
            },
            "spread": None,
        },
    }


def test_the_record_is_no_submodule():
    module = Module(nn.Linear(1, 1))
    assert [name for name, _ in module.named_parameters()] == ["part.weight", "part.bias"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (len, "builtin_function_or_method"),
        (torch.zeros(2, dtype=torch.bfloat16), "Tensor"),
        (np.zeros(2, dtype=complex), "ndarray"),
        ({1: 2}, "dict"),
        ({"deep": [object()]}, "object"),
    ],
)
def test_values_that_are_not_plain_are_named(value, kind):
    with pytest.raises(ValueError, match=f"argument 'source' of Heat is a {kind}, which") as caught:
        arguments(source=value)
    assert "\n" not in str(caught.value)


def test_objects_without_a_record_are_refused():
    with pytest.raises(ValueError, match="Linear keeps no record"):
        spec_of(nn.Linear(1, 1))


def test_arguments_without_names_are_refused():
    class Sum(Restorable):
        def __init__(self, *terms):
            super().__init__()
            self.terms = terms

    assert spec_of(Sum())["init_args"] == {}
    with pytest.raises(ValueError, match=r"Sum: arguments \*terms have no names"):
        spec_of(Sum(1, 2))


def test_wrong_arguments_fail_as_in_any_class():
    with pytest.raises(TypeError, match=r"MLP.__init__\(\) got an unexpected keyword .*'witdh'"):
        MLP(witdh=3)
    with pytest.raises(TypeError, match=r"Module.__init__\(\) missing 1 required .*'part'"):
        Module()


def test_a_class_without_a_constructor_of_its_own():
    class Plain(Restorable):
        pass

    assert spec_of(Plain())["init_args"] == {}


# --- copies


def test_copies_and_pickles_keep_the_record():
    network = MLP(8, 2, embedding=FourierFeatures(3))
    for twin in (copy.copy(network), copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert spec_of(twin) == spec_of(network)
    # A required argument is absent when __new__ is called by copy.
    module = Module(FourierFeatures(3))
    twin = copy.deepcopy(module)
    assert spec_of(twin) == spec_of(module)
    assert twin.part is not module.part


# --- building


def test_a_spec_passes_through_a_safe_checkpoint():
    spec = spec_of(MLP(8, activation="sin", embedding=FourierFeatures(3, scale=0.5)))
    file = io.BytesIO()
    torch.save(spec, file)
    file.seek(0)
    network = build(torch.load(file, weights_only=True))
    assert isinstance(network, MLP)
    assert isinstance(network.embedding, FourierFeatures)
    assert (network.activation, network.embedding.scale) == ("sin", 0.5)
    assert spec_of(network) == spec


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A package outside pinn whose import leaves a trace."""
    (tmp_path / "my_problem.py").write_text(
        textwrap.dedent("""
        import os
        import pathlib
        from pinn.networks import MLP

        pathlib.Path(__file__).with_name("imported").touch()

        class Outer:
            class Net(MLP):
                pass

        class Net(MLP):
            def __init__(self, width=3, parts=()):
                super().__init__(width)
                self.parts = parts

        class Unrecorded:
            pass
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_problem", raising=False)
    yield tmp_path
    sys.modules.pop("my_problem", None)


def foreign_spec(name="my_problem.Net", **init_args):
    return {"class_path": name, "init_args": init_args}


def test_foreign_packages_are_refused_before_any_import(foreign):
    nested = {"class_path": "pinn.networks.mlp.MLP", "init_args": {"embedding": foreign_spec()}}
    listed = foreign_spec("pinn.networks.mlp.MLP", width=[{"deep": foreign_spec()}])
    for spec in (foreign_spec(), nested, listed, foreign_spec("my_problem:Net")):
        with pytest.raises(ValueError, match="--allow_import my_problem") as caught:
            build(spec)
        assert "allow_import='my_problem'" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (foreign / "imported").exists()
    assert "my_problem" not in sys.modules


def test_allowed_packages_are_imported(foreign):
    spec = foreign_spec(width=5, parts=[foreign_spec(width=4), {"a": 1}])
    network = build(spec, allowed=("pinn", "my_problem"))
    assert (foreign / "imported").exists()
    assert network.width == 5
    assert network.parts[0].width == 4
    assert network.parts[1] == {"a": 1}
    assert build(foreign_spec(), allowed="my_problem").width == 3
    nested = build(foreign_spec("my_problem.Outer.Net", width=9), allowed=("my_problem",))
    assert spec_of(nested) == {
        "class_path": "my_problem.Outer.Net",
        "init_args": {
            "width": 9,
            "depth": 4,
            "activation": "tanh",
            "embedding": None,
            "spread": None,
        },
    }


def test_one_text_allows_one_package_only(foreign):
    with pytest.raises(ValueError, match="--allow_import my_problem"):
        build(foreign_spec(), allowed="not_my_problem")


@pytest.mark.parametrize(
    "name", ["no_such_problem.Heat", "my_problem.Absent", "my_problem.a-b", "my_problem"]
)
def test_classes_that_are_gone_are_named(foreign, name):
    with pytest.raises(ValueError, match=f"'{name}' named in the checkpoint") as caught:
        build(foreign_spec(name), allowed=("my_problem", "no_such_problem"))
    assert "\n" not in str(caught.value)


def test_a_missing_module_is_named():
    with pytest.raises(ValueError, match="cannot be imported: Heat is defined in the module gone"):
        build(foreign_spec("gone.Heat"), allowed=("gone",))


@pytest.mark.parametrize(
    "name",
    [
        "pinn.base.recipe.importlib.import_module",
        "pinn.base.recipe.pkgutil.resolve_name",
        "pinn.base.recipe.torch.nn.Linear",
        "pinn.base.recipe.build",
        "pinn.geometry.Points",
    ],
)
def test_only_recorded_classes_of_the_package_are_made(name):
    with pytest.raises(ValueError, match="named in the checkpoint"):
        build(foreign_spec(name))


def test_an_unrecorded_foreign_class_is_refused(foreign):
    for name in ("my_problem.Unrecorded", "my_problem.os.system", "my_problem.pathlib.Path"):
        with pytest.raises(ValueError, match="not a Problem, Network or Embedding"):
            build(foreign_spec(name), allowed=("my_problem",))


def test_changed_arguments_are_explained():
    with pytest.raises(ValueError, match=r"does not take the arguments in .*'wide'"):
        build(foreign_spec("pinn.networks.mlp.MLP", wide=3))


@pytest.mark.parametrize(
    "spec", [{}, {"class_path": "pinn.X"}, {"class_path": 1, "init_args": {}}, ["pinn"], None]
)
def test_malformed_specs_are_refused(spec):
    with pytest.raises(ValueError, match="exactly the keys class_path and init_args"):
        build(spec)


class Tabled(Restorable):
    def __init__(self, table, file=None):
        super().__init__()
        self.table, self.file = table, file


@pytest.mark.parametrize(
    "table",
    [
        np.array([[1.5, np.inf], [2.0, 3.0], [0.1, 0.2]]),
        np.array([1, 2], dtype=np.int16),
        np.zeros((0, 3)),
        torch.tensor([[0.1, 0.2]]),
        torch.tensor([True, False]),
    ],
)
def test_arrays_and_paths_are_plain_data(table):
    spec = spec_of(Tabled(table, Path("some", "where.csv")))
    copy = build(json.loads(json.dumps(spec)), (__name__.partition(".")[0], "pinn"))
    assert type(copy.table) is type(table)
    assert copy.table.dtype == table.dtype
    assert copy.table.shape == table.shape
    assert bool((copy.table == table).all())
    assert copy.file == Path("some", "where.csv")
    assert spec_of(copy) == spec


def test_arrays_of_objects_are_no_plain_data():
    with pytest.raises(ValueError, match="argument 'table' of Tabled is a ndarray, which a check"):
        spec_of(Tabled(np.array([{}], dtype=object)))
    spec = spec_of(Tabled(np.zeros(2)))
    spec["init_args"]["table"]["init_args"]["dtype"] = "object"
    with pytest.raises(ValueError, match="a checkpoint holds a 'array' of 'object', which is unkn"):
        build(spec, (__name__.partition(".")[0], "pinn"))
