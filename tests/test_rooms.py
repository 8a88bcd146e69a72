"""Imports follow the flow of the data: a room imports only what lies below it."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import camkit

# From the ground up; rooms in one set do not import each other.
FLOORS = [
    {"_version", "errors", "progress", "worker_threads"},
    {"boxes", "nn", "figures", "imagenet", "input_spec"},
    {"cam", "data", "metrics"},
    {"models", "recipe", "adapters", "threads"},
    {"inference", "localization"},
    {"localizer", "process_group"},
    {"output"},
    {"batch", "evaluation"},
    {"analysis", "report", "training"},
    {"runs"},
    {"reproduction"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
PACKAGE = Path(camkit.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LIBRARIES = {"click": {"cli"}, "matplotlib": {"figures"}}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in FLOOR, f"{room} has no floor yet"
    for name in imports(path):
        top, *rest = name.split(".")
        if top in LIBRARIES:
            assert room in LIBRARIES[top]
        if top == "camkit" and rest:
            assert rest[0] == room or FLOOR[rest[0]] < FLOOR[room], f"{room} imports {rest[0]}"


def test_no_file_imports_itself_by_way_of_others():
    names = {path: ".".join(("camkit", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in FILES}
    modules = {name.removesuffix(".__init__"): path for path, name in names.items()}
    imported = {name: set(modules_imported(path, modules)) - {name} for name, path in modules.items()}
    assert imported["camkit.runs.evaluate"] >= {"camkit.evaluation", "camkit.runs.options"}
    TopologicalSorter(imported).prepare()  # or CycleError


def modules_imported(path, modules):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in modules else node.module


def test_help_does_not_load_torch():
    code = (
        "import sys; from camkit.cli import cli; cli(['--help'], standalone_mode=False); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert "camkit demo" in done.stdout


def test_rooms_are_there_after_import_camkit_and_cost_nothing_before():
    code = (
        "import sys, camkit; dir(camkit); print('torch' in sys.modules); "
        "print(camkit.nn.ThresholdedAvgPool2d.__name__, camkit.boxes.Threshold.__name__); "
        "print(camkit.models.Classifier.__name__, camkit.figures.grid.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "ThresholdedAvgPool2d", "Threshold", "Classifier", "grid"]


def test_no_figure_is_pyplots():
    """Then none has to be closed, and none is shown by itself."""
    assert not [path for path in FILES if any(name.startswith("matplotlib.pyplot") for name in imports(path))]


def test_the_public_surface_is_there():
    assert dir(camkit) == camkit.__all__
    for name in camkit.__all__:
        assert getattr(camkit, name) is not None
    with pytest.raises(AttributeError):
        _ = camkit.nothing


def test_localizing_begins_with_torch_and_torchvision_alone():
    """What measuring and drawing need is slow to import, and is not loaded before they begin."""
    code = (
        "import sys, torch, torchvision; before = set(sys.modules); import camkit.runs.localize;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "camkit" in loaded
    assert not loaded & {"matplotlib", "numba", "pandas", "scipy", "skimage", "torchmetrics", "transformers"}
