"""The house keeps its plan: imports run down, nothing goes in a circle, names are unique."""

import ast
import statistics
import subprocess
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. A room imports from itself and from those before it.
FLOORS = (
    "errors", "files", "experiment", "models", "objective", "data", "planning", "training", "evaluation",
    "deployment", "serving", "tasks", "operations", "workflow", "reporting", "publication", "cli",
)  # fmt: skip
FILES = sorted((ROOT / "gcl").rglob("*.py"))


def module(path: Path) -> str:
    """Its dotted name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """Modules of `gcl` that a file imports anywhere, in functions and under TYPE_CHECKING, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in below}
    return {name for name in found if name in MODULES and name != module(path)}


IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def floor(name: str) -> int | None:
    """Which floor a module is on; None for the package itself and `python -m gcl`."""
    parts = name.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[1] != "__main__" else None


def test_every_room_has_its_floor():
    for name in MODULES:
        floor(name)


def test_no_import_runs_up():
    up = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        for other in others
        if None not in (floor(name), floor(other)) and floor(other) > floor(name)
    ]
    assert not up, "\n".join(up)


def test_no_files_import_each_other_in_a_circle():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_would_be_found():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_hardly_any_file_stands_outside_of_a_room():
    assert len([path for path in FILES if path.parent == ROOT / "gcl"]) <= 4


def test_no_two_files_have_the_same_name():
    names = Counter(path.name for path in FILES if path.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []


def test_no_two_public_classes_have_the_same_name():
    places: dict[str, list[str]] = {}
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_files_can_be_read_from_top_to_bottom():
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert statistics.median(sizes.values()) <= 150
    assert [str(path) for path, size in sizes.items() if size > 350] == []


def test_there_is_one_conftest_outside_of_packages():
    """Tests import from it by its name, which a second one would take."""
    found = [path for path in (ROOT / "tests").rglob("conftest.py") if not (path.parent / "__init__.py").exists()]
    assert found == [ROOT / "tests/conftest.py"]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_the_repository_holds_no_links():
    """A link may lead to a place that another machine does not have."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line for line in listed.splitlines() if line.startswith("120000")] == []
