"""The wheel in an empty environment: it holds the package alone, and lives on the base list of dependencies.

Libraries of the base list, and those that they need, are linked into the environment. So nothing is downloaded, and
no other library is there.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT
from group_case import make_run, train_scenes
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gcl.experiment.execution import ExecutionSpec
from gcl.training.member_file import Questions

pytestmark = pytest.mark.slow
LEFT_OUT = {
    "results",
    "data",
    "base_models",
    "scratch",
    "logs",
    "build",
    "site",
    "local",
}  # nothing of it is for a build
HEAVY = ("transformers", "pandas", "snakemake", "accelerate", "pydantic", "scipy", "PIL")


def done(command, cwd, status=0) -> tuple[str, str]:
    """Run a command outside of the sources; returns its output and its errors."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run([*map(str, command)], cwd=cwd, env=environment, text=True, capture_output=True)
    assert found.returncode == status, found.stdout + found.stderr
    return found.stdout, found.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the sources, since a build leaves files in them."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "sources", ignore=lambda at, names: [n for n in names if _is_left_out(Path(at), n)])
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", folder]
    done([sys.executable, "-m", "pip", "wheel", *options, folder / "sources"], folder)
    (found,) = folder.glob("*.whl")
    return found


def _is_left_out(folder: Path, name: str) -> bool:
    top = folder == ROOT and (name in LEFT_OUT or name.startswith(".") or name.endswith(".egg-info"))
    return top or name == "__pycache__"


def needed(requirements: list[str]) -> set[str]:
    """Distributions that these requirements need here, directly or not."""
    found: set[tuple[str, str]] = set()
    left = [(Requirement(one), "") for one in requirements]
    while left:
        requirement, extra = left.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in {"", *requirement.extras}:
            if (key := (canonicalize_name(requirement.name), wanted)) not in found:
                found.add(key)
                left += [(Requirement(one), wanted) for one in metadata.requires(requirement.name) or []]
    return {name for name, _ in found}


@pytest.fixture(scope="module")
def empty(wheel, tmp_path_factory) -> Path:
    """The folder of programs of an environment that has the wheel and its base dependencies."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    done([sys.executable, "-m", "venv", folder], folder.parent)
    done([folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], folder.parent)
    (packages,) = folder.glob("lib/python*/site-packages")
    (own,) = metadata.distributions(path=[str(packages)], name="gcl")
    for name in needed(own.requires):
        distribution = metadata.distribution(name)
        for top in {path.parts[0] for path in distribution.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution.locate_file(top))
    return folder / "bin"


def test_it_holds_the_package_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path for path in (ROOT / "gcl").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {path.relative_to(ROOT).as_posix() for path in files}
    assert {"gcl/reporting/page/page.html.j2", "gcl/reporting/paper/groups.csv"} <= names


def test_the_base_list_is_all_that_it_needs(empty):
    assert "No broken requirements" in done([empty / "python", "-m", "pip", "check"], empty)[0]
    listed = done([empty / "python", "-m", "pip", "list", "--format=freeze"], empty)[0]
    assert not {"pandas", "snakemake", "accelerate", "scipy"} & {
        line.partition("==")[0] for line in listed.splitlines()
    }


def test_the_objective_imports_torch_alone(empty):
    program = (
        "import sys; from gcl.objective import competitive_head; print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = done([empty / "python", "-I", "-c", program], empty)[0].split()
    assert "torch" in loaded and not {*HEAVY} & {*loaded}


def test_help_and_settings_need_no_extra(empty):
    assert "predict" in done([empty / "gcl", "--help"], empty)[0]
    assert "training.global_batch" in done([empty / "gcl", "settings"], ROOT)[0]


def test_a_member_is_asked(empty, backbones, scenarios, tmp_path):
    questions = {"action": scenarios[0].turns["action"].question}
    asked = {"learner": Questions(about="scenes", questions=questions, batch_size=1, max_new_tokens=4)}
    folder, picture = tmp_path / "out/learner", scenarios[0].pictures[0].path
    run = make_run(backbones, members=1)
    train_scenes(run, scenarios[:1], "data", ExecutionSpec(), tmp_path / "out", tmp_path / "scratch", asked)
    printed = done([empty / "gcl", "predict", "--checkpoint", folder, "--image", picture], empty)[0]
    program = f"from gcl import load_member; print(load_member({str(folder)!r}).ask({str(picture)!r}, 'action'))"
    answer = done([empty / "python", "-I", "-c", program], empty)[0].strip()
    assert printed.splitlines()[1].split(maxsplit=1)[1].startswith(answer or "(empty)")


@pytest.mark.parametrize(
    ("verb", "library", "extra"),
    [
        (["plan", "headline"], "snakemake", "workflow"),
        (["compare", "a", "b"], "pandas", "reports"),
        (["base-model", "unseen", "--states", "x", "--questions", "1", "--to", "x"], "gymnasium", "data"),
    ],
)
def test_a_verb_names_its_extra(empty, verb, library, extra):
    said = f"gcl: error: {library} is not installed; it comes with pip install 'gcl[{extra}]'\n"
    assert done([empty / "gcl", *verb], ROOT, status=2) == ("", said)


@pytest.mark.parametrize(
    ("line", "library", "extra"),
    [
        ("from gcl import read_frame", "pandas", "reports"),
        ("from gcl import PairTrainer", "accelerate", "training"),
        ("import gcl.models.adapters", "peft", "training"),
    ],
)
def test_an_import_names_its_extra(empty, line, library, extra):
    error = done([empty / "python", "-I", "-c", line], empty, status=1)[1].splitlines()[-1]
    said = f"{library} is not installed; it comes with pip install 'gcl[{extra}]'"
    assert error == f"gcl.errors.MissingLibrary: {said}"
