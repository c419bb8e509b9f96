"""The code behind a result: nothing that a step imports is forgotten, and what changes no result costs nothing."""

import ast
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

from gcl.cli.fork_server import LIBRARIES
from gcl.cli.main import app
from gcl.cli.reference import verbs as all_verbs
from gcl.experiment import closure
from gcl.experiment.closure import (
    EXCLUDED,
    FEEDS,
    FOUND,
    ONLY,
    SCENES,
    STEPS,
    VERIFIED,
    code_files,
    code_parts,
    evaluation_code,
    is_excluded,
    modules,
    run_code,
    tree_sha256,
)
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run

# They import modules of a folder that the closure knows; or `run_code` names them; the last one imports libraries alone.
FINDERS = [
    (ROOT / name.replace(".", "/")).with_suffix(".py")
    for name in (*FOUND, "gcl.experiment.methods.registry", "gcl.models.family", "gcl.cli.fork_server")
]


def unused_by(kind: str) -> frozenset[str]:
    """Modules of other kinds of data sets."""
    return frozenset(module for other, modules in ONLY.items() if other != kind for module in modules)


SOCIAL, PLANNING = unused_by(SCENES) | {*FEEDS}, unused_by("planning")  # modules that such runs do not use
MODULES = sorted(path for path in (ROOT / "gcl").rglob("*.py"))
CODE = """
import os

def scaled(value, factor=2):
    return value * factor + os.cpu_count()
"""
SAME = {
    "a comment": CODE.replace("    return", "    # twice\n    return"),
    "a docstring": CODE.replace("    return", '    """Twice."""\n    return'),
    "a docstring of the module": '"""Numbers."""\n' + CODE,
    "line breaks and brackets": CODE.replace("value * factor", "(\n        value\n        * factor\n    )"),
}
OTHER = {
    "an operator": CODE.replace("+", "-"),
    "a default": CODE.replace("factor=2", "factor=3"),
    "a name": CODE.replace("cpu_count", "getpid"),
    "a text that is no docstring": CODE.replace("    return", '    print("Twice.")\n    return'),
    "an import": CODE.replace("import os", "import os, sys"),
}
EVERY_SYNTAX = """
from typing import Generic

@decorated(1, key="x")
class Words(Generic[T]):
    name: str = 'a' "b"
    async def said(self, *rest, width: int = 3, **named) -> str | None:
        with open(f"{self.name!r:>{width}}") as f, other: yield f'{rest[0]}' f"{named['a']:.{width}f}{{}}"
        try: return lambda x, /, y=...: [*x, *(z for z in y if z)]
        except* (ValueError, TypeError): del self.name
        match rest:
            case [1, *_] | {"k": None}: x = True if 1e-5 < 0x10 <= 2j else b"b"
"""
# Notes who imports what of gcl while all modules behind the steps are loaded.
NOTING = """
import builtins, importlib, json, sys
real, seen = builtins.__import__, set()
def noting(name, globals=None, locals=None, fromlist=(), level=0):
    module = real(name, globals, locals, fromlist, level)
    who = (globals or {}).get("__name__", "")
    if who.startswith("gcl") and name.partition(".")[0] == "gcl":
        seen.add((who, name))
        seen.update((who, f"{name}.{word}") for word in fromlist or () if f"{name}.{word}" in sys.modules)
    return module
builtins.__import__ = noting
for module in json.loads(sys.argv[1]): importlib.import_module(module)
print(json.dumps(sorted(seen)))
"""


@pytest.mark.parametrize("what", SAME)
def test_what_changes_no_result_does_not_count(what):
    assert SAME[what] != CODE and tree_sha256(ast.parse(SAME[what])) == tree_sha256(ast.parse(CODE))


@pytest.mark.parametrize("what", OTHER)
def test_what_may_change_a_result_counts(what):
    assert tree_sha256(ast.parse(OTHER[what])) != tree_sha256(ast.parse(CODE))


def test_the_hash_is_the_same_in_every_version_of_python():
    expected = "6d428951422409439509101aaf4d663b285bcf3bb64ed73ddafb7da14dc5a55b"
    assert tree_sha256(ast.parse(EVERY_SYNTAX)) == expected


def test_each_step_has_the_code_that_its_name_promises():
    assert "gcl.objective.drl" in modules("training") and "gcl.training.on_policy" in modules("training")
    assert "gcl.data.encoding" in modules("generation"), "which prompts share a batch can decide an answer"
    assert "gcl.evaluation.bootstrap" in modules("scoring") and "gcl.data.importing.formats" in modules("importing")
    for step in ("scoring", "generation", "manifest", "reporting", "drawing"):
        assert not [name for name in modules(step) if name.startswith("gcl.objective")], step
    assert not [name for name in modules("training", SOCIAL) if name.startswith(("gcl.planning", "gcl.evaluation"))]


def test_a_family_is_part_of_the_code_of_its_runs_alone(monkeypatch):
    experiment = load_experiment(None, ROOT)
    sft, pair, unlisted = (
        find_run(experiment, f"snei/{name}/default/seed0")
        for name in ("sft/qwen3-vl-4b", "sft/qwen2.5-vl-3b", "sft/qwen3-vl-2b")
    )
    unlisted = unlisted.model_copy(update={"members": [unlisted.members[0].model_copy(update={"family": "idefics3"})]})
    before = [(run_code("training", run), evaluation_code(run)) for run in (sft, pair, unlisted)]
    assert code_parts(before[2][0]).keys() == {""}
    assert before[0][0] != before[1][0] and len({code_parts(code)[""] for codes in before for code in codes[:1]}) == 1
    real = closure._source

    def changed(name):
        return SimpleNamespace(sha256="0" * 64) if name.endswith("families.qwen3_vl") else real(name)

    monkeypatch.setattr(closure, "_source", changed)
    after = [(run_code("training", run), evaluation_code(run)) for run in (sft, pair, unlisted)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, True]


def test_a_run_depends_on_the_code_that_it_uses():
    experiment = load_experiment(None, ROOT)
    sft, stage, mgsd = (
        find_run(experiment, f"{name}/seed0")
        for name in (
            "snei/sft/qwen3-vl-4b/default",
            "planning/reading/qwen3-vl-4b/default",
            "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full",
        )
    )
    assert len({run_code("training", run) for run in (sft, stage, mgsd)}) == 3
    parts = {step: set(code_parts(run_code(step, sft))) for step in ("training", "generation", "scoring")}
    assert parts == {"training": {"", "qwen3_vl"}, "generation": {"", "qwen3_vl"}, "scoring": {""}}
    for step in ("generation", "scoring"):  # else a table of planning tasks would refuse its own runs
        assert run_code(step, sft) != run_code(step, stage) == run_code(step, mgsd), step
    for step in ("training", "generation", "scoring"):
        assert not [name for name in modules(step, SOCIAL) if "planning" in name], step
        assert not [name for name in modules(step, PLANNING) if "social" in name or ".scorers." in name], step


def test_every_module_that_a_step_really_imports_is_in_its_code_or_excluded():
    everything = sorted({name for step in STEPS for name in modules(step)})
    command = [sys.executable, "-c", NOTING, json.dumps(everything)]
    seen = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert len(seen) > 200
    for step in STEPS:
        known = modules(step)
        forgotten = {
            (who, what) for who, what in seen if who in known and what not in known and not is_excluded(what, step)
        }
        assert not forgotten, step


def test_no_module_is_imported_by_a_name_that_nobody_can_read_off():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_bytes())):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            found = path in FINDERS and name == "import_module"
            assert found or name not in ("import_module", "__import__", "exec", "run_module"), path
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: write the whole name of the module"
    assert not [name for name in LIBRARIES if name.split(".")[0] == "gcl"]


def test_every_excluded_module_is_met_by_a_step_and_says_why():
    imported = set()
    for step in STEPS:
        for file in [
            *code_files(step),
            STEPS[step].rpartition(".")[0].replace(".", "/") + ".py",
            "gcl/cli/run_verbs.py",
        ]:
            for node in ast.walk(ast.parse((ROOT / file).read_bytes())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    imported |= {name.rpartition(".")[0] for name in imported}  # packages
    assert {*EXCLUDED, *VERIFIED} <= imported and all(EXCLUDED.values())


def test_how_data_is_read_costs_no_training_since_its_manifest_has_the_hashes():
    """A change of these changes what is trained only with another manifest, which is an input of the rule."""
    readers = {f"gcl.data.{name}" for name in ("raw", "annotations", "json_text", "manifest", "problem")} | {
        "gcl.experiment.actions"
    }
    assert readers <= set(modules("manifest"))
    for step in ("training", "generation"):
        assert not readers & set(modules(step, SOCIAL)), step
    assert readers & set(modules("scoring", SOCIAL)) == {"gcl.experiment.actions"}, "which reads answers"


def test_every_rule_that_calls_a_verb_depends_on_the_code_of_that_verb():
    verbs, called = {name: f"{run.__module__}.{run.__name__}" for name, run in all_verbs(app)}, 0
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"(?m)^ *rule ", path.read_text())[1:]:
            command = re.search(r'^ *"(gcl [a-z -]*[a-z])', rule, re.MULTILINE)
            if command:
                called += 1
                words = command[1].split()[1:]
                verb = next(verbs[" ".join(words[:k])] for k in (2, 1) if " ".join(words[:k]) in verbs)
                step = re.search(r'code=PLAN\.(?:run_)?code\("(\w+)"\)', rule)
                job = f"gcl.tasks.jobs.{words[0]}"  # a thin verb
                assert step and STEPS[step[1]] in (verb, job), rule.split(":")[0]
    assert called == 25
