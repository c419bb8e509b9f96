"""The lists of dependencies: each library that a module imports is in a list that serves this module.

`pip install gcl` gives the base list. Extras serve rooms, or single modules. No list has a library that nobody imports.
"""

import ast
import re
import sys
import tomllib
from importlib import metadata
from importlib.machinery import PathFinder

import pytest
from conftest import ROOT
from test_house import MODULES

import gcl
from gcl.cli.main import main
from gcl.errors import MissingLibrary, missing

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ROOMS = ("workflow", "data", "training", "reports")  # the extras of `all`
# Modules by the extras that serve them besides the base list; the longest name counts. All others live on the base.
HOMES = {
    "gcl.data.held_out": ("data",),
    "gcl.deployment": ("deploy", "quantization"),
    "gcl.data.importing": ("data",),
    "gcl.data.similar": ("data",),
    "gcl.data.validation": ("data",),
    "gcl.evaluation.bootstrap": ("reports",),
    "gcl.evaluation.scorers": ("reports",),
    "gcl.evaluation.pooling": ("training",),
    "gcl.evaluation.token_divergence": ("training",),
    "gcl.evaluation.trained_members": ("training",),
    "gcl.models.adapters": ("training",),
    "gcl.models.quantized": ("quantization",),
    "gcl.operations.dry_run": ("workflow",),
    "gcl.operations.versioning": ("workflow",),
    "gcl.planning": ("data",),
    "gcl.operations.watch": ("training",),
    "gcl.publication": ("reports",),
    "gcl.reporting": ("reports",),
    "gcl.serving": ("serve",),
    "gcl.tasks.instructions": ("data",),
    "gcl.tasks.samples": ("training", "data"),
    "gcl.training": ("training",),
    "gcl.training.lease": (),
}
# Libraries that a setting or a file asks for, and their extras. vLLM is in none: pip cannot resolve it beside the others.
# Neither is pynvml, which tells the energy of GPUs where it is installed.
ASKED_FOR = {"bitsandbytes": "quantization", "av": "video", "vllm": None, "pynvml": None}
# Never imported by name: programs, plugins, parts that other libraries import.
NOT_IMPORTED = {"snakemake-executor-plugin-slurm", "tensorboard"}
RENAMED = {"PIL": "pillow", "yaml": "pyyaml", "ruamel": "ruamel-yaml"}  # modules by their distributions


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(requirements: list[str]) -> set[str]:
    """Distributions of a list."""
    return {normal(re.match(r"[\w.-]+", one)[0]) for one in requirements}


BASE = listed(PROJECT["dependencies"])
LISTS = {"": BASE} | {extra: listed(requirements) for extra, requirements in EXTRAS.items()}


def home(module: str) -> tuple[str, ...]:
    names = [name for name in HOMES if f"{module}.".startswith(f"{name}.")]
    return HOMES[max(names, key=len)] if names else ()


def imports(module: str, *, late: bool) -> tuple[set[str], set[str]]:
    """Distributions and modules of gcl that a module imports; with `late` also those that functions import."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    libraries, own = set(), set()
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in below]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            if top == "gcl":
                own |= {name, *(name.rsplit(".", k)[0] for k in range(1, name.count(".") + 1))}
            elif top not in sys.stdlib_module_names:
                libraries.add(normal(RENAMED.get(top, top)))
    return libraries, own


DIRECT = {module: imports(module, late=True)[0] for module in MODULES}


@pytest.mark.parametrize("module", [module for module in MODULES if DIRECT[module]])
def test_every_library_is_in_the_list_that_serves_the_module(module):
    for library in DIRECT[module]:
        if library in ASKED_FOR:
            extra = ASKED_FOR[library]
            assert extra is None or library in LISTS[extra]
            continue
        fitting = BASE.union(*(LISTS[extra] for extra in home(module)))
        assert library in fitting, f"{module} imports {library}, which none of its lists has: base {home(module)}"


@pytest.mark.parametrize("extra", ["", *ROOMS])
def test_no_list_has_a_library_that_nobody_there_imports(extra):
    served = [module for module in MODULES if (extra in home(module) if extra else not home(module))]
    assert LISTS[extra] - {library for module in served for library in DIRECT[module]} <= NOT_IMPORTED


def test_nothing_of_the_base_needs_more_when_it_is_imported():
    for start in (module for module in MODULES if not home(module)):
        seen, left = set(), {start}
        while left:
            seen.add(module := left.pop())
            libraries, own = imports(module, late=False)
            assert libraries <= BASE, f"{start} imports {module}, which imports {libraries - BASE}"
            left |= own - seen


def test_no_extra_repeats_the_base_and_all_has_every_room():
    assert all(not BASE & names for extra, names in LISTS.items() if extra)
    assert EXTRAS["all"] == [f"gcl[{','.join(ROOMS)}]"]


@pytest.mark.parametrize("name", ["Makefile", "workflow/envs/gcl.yaml", "docs/slurm.md"])
def test_whoever_runs_the_experiment_installs_all(name):
    found = re.findall(r"\.\[([\w,]+)\]", (ROOT / name).read_text(encoding="utf-8"))
    assert any("all" in extras.split(",") for extras in found)


def test_every_library_has_a_pinned_version():
    pinned = listed([line for line in (ROOT / "constraints.txt").read_text().splitlines() if re.match(r"\w", line)])
    assert set().union(BASE, *(LISTS[extra] for extra in ROOMS)) <= pinned


@pytest.fixture
def absent(monkeypatch):
    """An import by a module of gcl, or another, of a library that two extras have and nobody has installed."""
    lines = ["torch<3", "not-there<2; extra == 'data'", 'Not_There>=1; python_version > "3" and extra == "reports"']
    monkeypatch.setattr(metadata, "requires", lambda _: [*lines, 'gcl[data,reports]; extra == "all"'])
    return lambda by, line="import not_there.part": exec(line, {"__name__": by})


def test_an_absent_library_is_explained_with_its_extras(absent):
    with pytest.raises(MissingLibrary) as caught:
        absent("gcl.anything")
    said = "not_there is not installed; it comes with pip install 'gcl[data]' or pip install 'gcl[reports]'"
    assert str(caught.value) == said and isinstance(caught.value, ImportError) and caught.value.name == "not_there"


def test_other_imports_fail_as_ever(absent):
    for by, line in (
        ("other", "import not_there"),
        ("gclother.x", "import not_there"),
        ("gcl.anything", "import nobody_has_this"),
    ):
        with pytest.raises(ModuleNotFoundError, match="No module named") as caught:
            absent(by, line)
        assert not isinstance(caught.value, MissingLibrary)
    absent("gcl.anything", "from importlib.util import find_spec; assert find_spec('not_there') is None")


def test_sources_that_are_not_installed_have_no_advice(monkeypatch):
    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", unknown)
    assert missing("pandas") is None


class Hiding:
    """Python's finder of files, which overlooks Snakemake."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name == "snakemake" else PathFinder.find_spec(name, path, target)


def test_a_verb_says_one_line(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.delitem(sys.modules, "snakemake", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Hiding if one is PathFinder else one for one in sys.meta_path])
    monkeypatch.setattr(metadata, "requires", lambda _: ["snakemake>=9; extra == 'workflow'"])
    assert main(["plan", "headline"]) == 2
    said = "snakemake is not installed; it comes with pip install 'gcl[workflow]'"
    assert capsys.readouterr().err == f"gcl: error: {said}\n"


def test_the_package_has_the_names_that_it_lists():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gcl.nothing
