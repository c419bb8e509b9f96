"""Load the experiment: `load_experiment()` reads config.yaml and the scale file, or says what is wrong.

Snakefile, command line and tests all go through it. Jobs of the workflow read what `write_resolved` wrote.
Every setting carries its origin (see config.yaml). Imports no torch, so that a dry run of the whole grid takes seconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from gcl.errors import ConfigError
from gcl.experiment.checks import contradictions
from gcl.experiment.layers import Layers, Overridden
from gcl.experiment.mistakes import explain
from gcl.experiment.schema import Experiment
from gcl.experiment.types import ORIGINS, Setting
from gcl.experiment.yaml_files import Document, parse_document, read_document
from gcl.files import write_text

CONFIG_FILE = Path("config.yaml")
SCALES_FOLDER = Path("workflow/scales")
COMMAND_LINE = "command line (--config)"


def load_experiment(
    config: Mapping[str, Any] | None = None, root: Path | str = ".", overrides: Sequence[Document] = ()
) -> Experiment:
    """Read and check the experiment.

    Args:
        config: stands in for the contents of config.yaml; None reads the file.
        root: folder of config.yaml and workflow/.
        overrides: settings for any scale, the last one wins; see `overrides_of`.

    Raises:
        ConfigError: listing every mistake, one a line: file and line, field, value, remedy.
    """
    layers = _layers(config, Path(root), overrides)
    try:
        experiment = Experiment.model_validate(layers.tree)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(problem, layers) for problem in error.errors())) from None
    problems = list(contradictions(experiment))
    if problems:
        raise ConfigError("\n".join(f"{layers.place(path)}: {'.'.join(path)}: {text}" for path, text in problems))
    return experiment


def overrides_of(files: Iterable[Path], entries: Iterable[str]) -> list[Document]:
    """Settings that Snakemake got besides config.yaml, read by the same rules. A value without an origin is `assumed`.

    Args:
        files: of `--configfile`.
        entries: of `--config`, each `name=value` with the value in YAML.

    Raises:
        ConfigError: if one of them cannot be read.
    """
    here = Path.cwd()
    documents = [
        read_document(file, str(file.relative_to(here) if file.is_relative_to(here) else file)) for file in files
    ]
    for entry in entries:
        name, _, text = entry.partition("=")
        value = parse_document(text, f"{COMMAND_LINE}: {name}").value
        documents.append(Document(COMMAND_LINE, {name: value}))
    return [replace(document, value=_with_origins(document.value, document.name)) for document in documents]


def _with_origins(tree: Any, name: str) -> Any:
    """The same tree, in which each setting has an origin: the document's name where it gives none."""
    if not isinstance(tree, dict):
        return tree
    if "value" in tree:
        return tree if set(tree) & set(ORIGINS) else tree | {"assumed": f"given by {name}"}
    return {key: _with_origins(child, name) for key, child in tree.items()}


def experiment_here(scale: str | None = None) -> Experiment:
    """The experiment of config.yaml here, at another scale if one is named."""
    return load_experiment(overrides=_named(scale))


def experiment_anywhere(scale: str | None = None) -> Experiment:
    """The experiment here; where there is no config.yaml, that of the project whose package this is."""
    root = Path() if CONFIG_FILE.is_file() else Path(__file__).parents[2]
    return load_experiment(None, root, _named(scale))


def _named(scale: str | None) -> list[Document]:
    return [] if scale is None else [Document("--scale", {"scale": scale})]


def load_resolved(path: Path) -> Experiment:
    """Read the experiment that `write_resolved` wrote.

    Raises:
        ConfigError: if the file is not there, or holds no experiment.
    """
    remedy = "snakemake writes it when it starts; without --experiment, config.yaml is read"
    try:
        return Experiment.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; {remedy}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"{path}: {field}{': ' if field else ''}{problem['msg']}; {remedy}") from None


def write_resolved(experiment: Experiment, path: Path) -> None:
    """Write every setting with its origin, as one line of JSON; a file that says the same is left alone."""
    text = experiment.model_dump_json() + "\n"  # in the order of settings, since that of turns counts
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def replaced(overrides: Sequence[Document] = (), root: Path | str = ".") -> list[Overridden]:
    """Settings of config.yaml that have no effect, since the scale's file gives them another value."""
    layers = _layers(None, Path(root), overrides)
    return [
        one
        for one in layers.overridden
        if one.old.name == str(CONFIG_FILE) and one.new not in overrides and layers.source(one.path) is one.new
    ]


def _layers(config: Mapping[str, Any] | None, root: Path, overrides: Sequence[Document]) -> Layers:
    """config.yaml, the scale's files, the overrides; they say which scale it is."""
    file = _read(root, CONFIG_FILE) if config is None else Document(str(CONFIG_FILE), config)
    layers, scales = Layers(), get_args(Experiment.model_fields["scale"].annotation)
    layers.lay(file)
    top = Layers()
    for document in (file, *overrides):
        top.lay(document)
    scale = top.tree.get("scale")
    if scale not in scales:
        known = f"{', '.join(scales[:-1])} or {scales[-1]}"
        raise ConfigError(f"{top.place(['scale'])}: scale: {scale!r} is not known; use {known}")
    for document in (*_read_scale(root, SCALES_FOLDER / f"{scale}.yaml"), *overrides):
        layers.lay(document)
    return layers


def _read_scale(root: Path, path: Path, seen: tuple[Path, ...] = ()) -> list[Document]:
    """The scale's file, behind those that it `extends`."""
    document = _read(root, path)
    base = document.value.get("extends")
    if base is None:
        return [document]
    other = path.with_name(f"{base}.yaml")
    if other in (*seen, path):
        raise ConfigError(f"{document.place(['extends'])}: extends: {base!r} extends this file; remove one of the two")
    own = {key: value for key, value in document.value.items() if key != "extends"}
    return [*_read_scale(root, other, (*seen, path)), replace(document, value=own)]


def _read(root: Path, path: Path) -> Document:
    """A file below `root`, parsed once for each content, since parsing takes most of the time of loading."""
    content = (root / path).read_bytes() if (root / path).is_file() else b""
    return _parsed(root / path, str(path), content)


@lru_cache(maxsize=16)
def _parsed(path: Path, name: str, content: bytes) -> Document:
    return read_document(path, name)


def settings(experiment: Experiment) -> Iterator[tuple[str, Any, str, str]]:
    """Yield (dotted path, value, kind of origin, explanation) of every setting."""

    def walk(path: str, node: Any) -> Iterator[tuple[str, Any, str, str]]:
        if isinstance(node, Setting):
            value = node.model_dump()["value"]
            yield path, value, *node.origin
        elif isinstance(node, BaseModel):
            for name in type(node).model_fields:
                yield from walk(f"{path}.{name}".lstrip("."), getattr(node, name))
        elif isinstance(node, dict):
            for name, child in node.items():
                yield from walk(f"{path}.{name}", child)

    yield from walk("", experiment)
