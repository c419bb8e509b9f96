"""The code that decides a result: `code_sha256(step)`, a parameter of the workflow's rules and part of every record.

A step is a verb of `gcl`. Its code is the verb's function and every module that this imports: at once or later, directly or
not. Comments, docstrings and formatting do not count, so changing them costs no training.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

from gcl.experiment.places import INSTRUCTIONS, PLANNING, SCENES, kind_of
from gcl.experiment.runs import ExchangeFeed, RolloutFeed, RunSpec
from gcl.files import sha256_files, sha256_text

ROOT = Path(__file__).parents[2]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# The function behind each step.
STEPS = {
    "drawing": "gcl.cli.data_verbs.generate",
    "importing": "gcl.cli.data_verbs.import_",
    "manifest": "gcl.cli.data_verbs.manifest",
    "training": "gcl.tasks.jobs.train",
    "generation": "gcl.tasks.jobs.generate",
    "scoring": "gcl.tasks.jobs.score",
    "states": "gcl.cli.planning_verbs.generate",
    "all_states": "gcl.cli.planning_verbs.gather",
    "public_states": "gcl.cli.planning_verbs.import_",
    "pictures": "gcl.cli.planning_verbs.render",
    "instructions": "gcl.cli.base_model_verbs.instructions",
    "unseen": "gcl.cli.base_model_verbs.unseen",
    "base_vocabulary": "gcl.cli.base_model_verbs.vocabulary",
    "untrained": "gcl.cli.base_model_verbs.build",
    "deployment": "gcl.cli.deployment_verbs.deploy",
    "agreement": "gcl.cli.deployment_verbs.agree",
    "measurement": "gcl.cli.deployment_verbs.measure",
    "reporting": "gcl.cli.report_verbs.report",
    "page": "gcl.cli.report_verbs.report",
}
# Folders whose modules are found by their names, and the module that finds them.
FOUND = {"gcl.evaluation.metric_registry": "gcl.evaluation.scorers", "gcl.deployment.format": "gcl.deployment.formats"}
# Files that are no modules, as patterns.
DATA = {
    "reporting": ("gcl/reporting/paper/*.csv",),
    "page": ("gcl/reporting/page/*.j2", "gcl/reporting/page/*.css", "gcl/reporting/page/*.js"),
}
# Modules that decide nothing, with what they do instead; nothing is looked for behind them.
EXCLUDED = {
    "gcl": "says the version",
    "gcl.cli.arguments": "reads settings",
    "gcl.errors": "words of errors",
    "gcl.files": "writes files whole and hashes them; others decide their contents",
    "gcl.experiment": "reads settings and makes specifications of them; a step is given its own by its rule",
    "gcl.training.launch": "starts processes",
    "gcl.training.lease": "keeps copies of a run apart",
    "gcl.training.attempts": "keeps the bill",
    "gcl.training.log": "writes losses down",
}
# Modules that decide something although their package is excluded.
INCLUDED = ("gcl.experiment.actions", "gcl.experiment.marks", "gcl.experiment.yaml_files")
# Modules that decide nothing in these steps alone. A manifest is an input of their rules. It has the hash of every picture
# and of every text with its label. Loaded data must have these hashes, or the step ends with an error.
VERIFIED = {"gcl.data.manifest": ("training", "generation", "scoring")}
# Modules that only some runs use. Others read held-out questions with the reader of instructions, which changes no word.
FEEDS = {"gcl.training.on_policy": RolloutFeed | ExchangeFeed, "gcl.training.own_answers": ExchangeFeed}
FAMILIES = "gcl.models.family"  # loads the files of gcl/models/families by their names
ONLY = {
    PLANNING: ("gcl.tasks.planning_task", "gcl.evaluation.planning_scores"),
    INSTRUCTIONS: ("gcl.tasks.instruction_task", "gcl.tasks.instructions.read", "gcl.evaluation.scorers.right"),
    SCENES: ("gcl.tasks.social_task", *(f"gcl.evaluation.scorers.{name}" for name in ("accuracy", "cos", "f1"))),
}


def run_code(step: str, run: RunSpec) -> str:
    """The code behind one step of a run: the hash of what all such runs share, and one for each family of its models."""
    return _with_families(_common_code(step, run), run if FAMILIES in modules(step) else None)


def evaluation_code(run: RunSpec) -> str:
    """The code behind answers and scores of a run, in parts as `run_code` has them."""
    return _with_families(sha256_text(_common_code("generation", run) + _common_code("scoring", run)), run)


def code_parts(code: str) -> dict[str, str]:
    """The hashes of a run's code, by family; that of "" is shared by all. Runs of other families share parts alone."""
    common, *families = code.split()
    return {"": common} | dict(one.split(":") for one in families)


def _with_families(common: str, run: RunSpec | None) -> str:
    families = sorted({member.family for member in run.members}) if run else []
    own = [(family, f"gcl.models.families.{family}") for family in families]
    # A family without a file has no code of its own.
    return " ".join(
        [common, *(f"{name}:{_source(module).sha256[:16]}" for name, module in own if _path(module).is_file())]
    )


def _common_code(step: str, run: RunSpec) -> str:
    unused = {module for kind, modules in ONLY.items() if kind != kind_of(run.dataset) for module in modules}
    unused |= {module for module, kinds in FEEDS.items() if not isinstance(run.feed, kinds)}
    return code_sha256(step, without=frozenset(unused))


@cache
def code_sha256(step: str, without: frozenset[str] = frozenset()) -> str:
    """Hash of the code behind a step.

    Args:
        step: one of `STEPS`.
        without: modules that it does not use this time.
    """
    parts = [f"{name} {_source(name).sha256}" for name in modules(step, without)]
    parts += [f"{STEPS[step]} {tree_sha256(node)}" for node in _verb(STEPS[step])[0]]
    data = sorted(path for pattern in DATA.get(step, ()) for path in ROOT.glob(pattern))
    return sha256_text("\n".join([*parts, sha256_files(data, ROOT)]))


@cache
def modules(step: str, without: frozenset[str] = frozenset()) -> list[str]:
    """Modules behind a step, sorted: all that its verb can import but those that are excluded."""
    found: set[str] = set()
    left = _verb(STEPS[step])[1]
    while left:
        name = left.pop()
        if name in found or name in without or is_excluded(name, step):
            continue
        found.add(name)
        left |= {name.rpartition(".")[0], *_source(name).imports, *_beside(FOUND.get(name))} - {""}
    return sorted(found)


def is_excluded(name: str, step: str) -> bool:
    """Whether a module decides nothing in a step."""
    if name in INCLUDED:
        return False
    return name in EXCLUDED or name.startswith("gcl.experiment.") or step in VERIFIED.get(name, ())


def _beside(package: str | None) -> list[str]:
    """Modules of a folder, which nothing imports by name."""
    return [f"{package}.{path.stem}" for path in _path(package).parent.glob("[!_]*.py")] if package else []


def code_files(step: str) -> list[str]:
    """Paths of these modules, relative to the root."""
    return [_path(name).relative_to(ROOT).as_posix() for name in modules(step)]


def _verb(verb: str) -> tuple[list[ast.stmt], set[str]]:
    """The parts of its module that a verb's function uses: statements (functions, constants), and modules of `gcl`."""
    module, _, function = verb.rpartition(".")
    known = {name: node for node in ast.parse(_path(module).read_bytes()).body for name in _defined(node)}
    _without_parser(known[function])
    used: dict[str, ast.stmt] = {}
    left = [function]
    while left:
        name = left.pop()
        if name in known and name not in used:
            used[name] = known[name]
            left += [node.id for node in ast.walk(known[name]) if isinstance(node, ast.Name)]
    statements = [node for _, node in sorted(used.items())]
    imported = {name for node in statements for name in _imports(node)}
    return [node for node in statements if not isinstance(node, ast.Import | ast.ImportFrom)], imported


def _without_parser(function: ast.FunctionDef) -> None:
    """Leave out annotations and decorators: they only decide how a command line is read, and its help."""
    function.decorator_list, function.returns = [], None
    for node in ast.walk(function.args):
        if isinstance(node, ast.arg):
            node.annotation = None


def _defined(node: ast.stmt) -> Iterator[str]:
    """Names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)


class _Source:
    """A module as far as it counts: the hash of its syntax tree, and which modules of `gcl` it imports."""

    def __init__(self, path: Path) -> None:
        tree = ast.parse(path.read_bytes())
        self.imports = sorted(set(_imports(tree)))
        self.sha256 = tree_sha256(tree)


@cache
def _source(name: str) -> _Source:
    return _Source(_path(name))


def _path(name: str) -> Path:
    base = ROOT.joinpath(*name.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _imports(tree: ast.AST) -> Iterator[str]:
    """Modules of `gcl` that are imported anywhere below a node. Only statements are walked, since an import is one."""
    left = [tree]
    while left:
        node = left.pop()
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(node, block, None)
            left += below if isinstance(below, list) else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if _path(name).is_file() else node.module for name in below if node.module]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "gcl")


def tree_sha256(tree: ast.AST) -> str:
    """Hash of a syntax tree without docstrings."""
    return hashlib.sha256(_written(tree).encode()).hexdigest()


def _written(node: Any) -> str:
    """A syntax tree as lists in JSON, the same in every version of Python.

    `ast.dump` names fields that only newer versions have. `ast.unparse` chooses other quotes in each: 64 of 161 files
    differ between 3.11 and 3.12. So fields that are empty are left out, as are empty pieces of f-strings, which 3.12 adds.
    The text is put together at once, since lists of all nodes would take three times as long.
    """
    if not isinstance(node, ast.AST):
        return encode_basestring_ascii(repr(node))
    kept = []
    for name in _fields(type(node)):
        value = getattr(node, name, None)
        if isinstance(value, list):
            if name == "body" and isinstance(node, DOCUMENTED) and ast.get_docstring(node):
                value = value[1:]
            elif isinstance(node, ast.JoinedStr):
                value = [v for v in value if not (isinstance(v, ast.Constant) and v.value == "")]
            if value:
                kept.append(f'["{name}", [{", ".join(map(_written, value))}]]')
        elif value is not None:
            kept.append(f'["{name}", {_written(value)}]')
    return f'["{type(node).__name__}", [{", ".join(kept)}]]'


@cache
def _fields(kind: type[ast.AST]) -> list[str]:
    """The fields of a kind of node that count."""
    return [name for name in kind._fields if name not in ("ctx", "kind")]
