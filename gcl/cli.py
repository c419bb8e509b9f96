"""The `gcl` command: thin verbs over the package. The workflow calls them; people can, too.

Errors that a user can mend are one line (or one line a mistake) on standard error, status 2, no traceback.
"""

import argparse
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from gcl import __version__
from gcl.config import load_experiment, settings, warnings
from gcl.errors import ConfigError, DataError, GCLError
from gcl.execution import changed, execution_spec
from gcl.files import read_json, read_jsonl, sha256_file, write_json, write_jsonl
from gcl.runs import DataSpec, GroundingSpec, RunSpec, all_runs, find_run
from gcl.schema import Experiment, Strict

S = TypeVar("S", bound=Strict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    options = _parser().parse_args(arguments)
    # Libraries look at these when they are imported, which the verbs do.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # A scheduler's warning ends the program like any other exit: temporary files are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        options.verb(options)
    except GCLError as error:
        return _fail(str(error))
    except BrokenPipeError:  # the reader of our output has seen enough
        return 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or getattr(options, "to", None) or "the disk"
            return _fail(f"no space left while writing {where}; free some and run again, nothing half-written was kept")
        if error.errno in (errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
            return _fail(f"{error.filename}: {error.strerror}; check the path and its permissions")
        raise
    return 0


def _fail(message: str) -> int:
    print(f"gcl: error: {message}", file=sys.stderr)
    return 2


def _settings(options: argparse.Namespace) -> None:
    experiment = _experiment()
    rows = [dict(zip(("setting", "value", "origin", "note"), row, strict=True)) for row in settings(experiment)]
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        value = json.dumps(row["value"], ensure_ascii=False)
        value = value if len(value) <= 60 else f"{value[:57]}..."
        print(f"{row['setting']:<42} {value:<62} {row['origin']}: {row['note']}")
    for line in warnings(experiment):
        print(f"warning: {line}", file=sys.stderr)


def _runs(options: argparse.Namespace) -> None:
    experiment = _experiment()
    if options.run:
        print(find_run(experiment, options.run).model_dump_json(indent=2))
    else:
        print("\n".join(all_runs(experiment)))


def _data_generate(options: argparse.Namespace) -> None:
    from gcl.data.miniature.generate import write_captions, write_dataset

    if options.name != "captions" and options.data is None:
        raise ConfigError(f"drawing {options.name} needs --data, for the wording of its questions")
    if options.name == "captions":
        write_captions(options.train, options.seed, options.to)
    else:
        questions = _parsed(DataSpec, options.data).questions
        write_dataset(options.name, {"train": options.train, "test": options.test}, questions, options.seed, options.to)


def _data_manifest(options: argparse.Namespace) -> None:
    from gcl.data.importers import read_scenarios
    from gcl.data.manifest import check_counts, write_manifests

    data = _parsed(DataSpec, options.data)
    scenarios = read_scenarios(Path(data.root), data.format, data.questions, data.actions)
    check_counts(scenarios, {"train": options.train, "test": options.test}, data.name)
    write_manifests(scenarios, Path(data.root), options.to)


def _backbone_vocabulary(options: argparse.Namespace) -> None:
    from gcl.backbones.miniature import train_vocabulary
    from gcl.data.miniature.generate import text_corpus

    experiment = _experiment()
    if experiment.drawing is None:
        raise ConfigError(f"scale {experiment.scale} has no drawn world; its models bring their own tokenizers")
    corpus = text_corpus(
        experiment.drawing.seed.value, experiment.prompt.questions.value, experiment.prompt.system.value
    )
    write_json(options.to, train_vocabulary(corpus, experiment.drawing.vocabulary.value))


def _backbone_ground(options: argparse.Namespace) -> None:
    from gcl.backbones.grounding import ground_backbone

    spec = _parsed(GroundingSpec, options.spec)
    ground_backbone(spec, options.captions, options.vocabulary, options.to, options.scratch)


def _plan(options: argparse.Namespace) -> None:
    experiment = _experiment()
    run, execution = find_run(experiment, options.memory), changed(execution_spec(experiment), options.set)

    from gcl.memory.plan import memory_plan
    from gcl.memory.sizes import model_configs

    configs, notes = model_configs(run, experiment)
    plan = memory_plan(run, execution, configs, options.tokens, notes)
    print(json.dumps(plan.to_dict(), indent=2) if options.json else plan.table())


def _train(options: argparse.Namespace) -> None:
    run, data = _parsed(RunSpec, options.run), _parsed(DataSpec, options.data)
    execution = changed(execution_spec(_experiment()), options.set)
    # DeepSpeed wants to be started by torchrun even where it is alone.
    several = execution.processes > 1 or execution.engine == "deepspeed"
    if several and "TORCHELASTIC_RUN_ID" not in os.environ:
        _start_processes(execution.processes)
    scenarios = _load_split(data, options.manifest)

    from gcl.training.run import scratch_folder, train_run

    manifest = sha256_file(options.manifest)
    train_run(run, scenarios, manifest, execution, options.to, scratch_folder(options.scratch, run, manifest))


def _start_processes(count: int) -> None:
    """Become torchrun, which runs this very command once per process."""
    # A checkpoint of large models takes longer than torchrun's usual patience with processes it has told to stop.
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "--shutdown-timeout=600"]
    # The dashes keep torchrun from reading our --run as its own --run-path.
    os.execv(sys.executable, [sys.executable, "-m", *launcher, "-m", "--", "gcl.cli", *sys.argv[1:]])


def _generate(options: argparse.Namespace) -> None:
    from gcl.evaluation.generate import predictions

    run, data = _parsed(RunSpec, options.run), _parsed(DataSpec, options.data)
    scenarios = _load_split(data, options.manifest)
    sizes = {"batch_size": options.batch_size, "max_new_tokens": options.max_new_tokens}
    write_jsonl(options.to, predictions(run, options.checkpoints, scenarios, **sizes))


def _score(options: argparse.Namespace) -> None:
    from gcl.data.manifest import read_manifest
    from gcl.evaluation.score import ScoreSpec, score_run
    from gcl.provenance import code_sha256, environment

    run, score = _parsed(RunSpec, options.run), _parsed(ScoreSpec, options.score)
    scenes = list(read_manifest(options.manifests / "test.tsv"))
    record = read_json(options.checkpoints / "run.json")
    provenance = {
        "code_sha256": {"training": record["code_sha256"], "evaluation": code_sha256("generation", "scoring")},
        "manifests": {split: sha256_file(options.manifests / f"{split}.tsv") for split in ("train", "test")},
        "checkpoints": record["weights"],
        "start": record["start"],
        "environment": {"training": record["environment"], "scoring": environment()},
    }
    write_json(options.to, score_run(run, score, read_jsonl(options.predictions), scenes, provenance))


def _report(options: argparse.Namespace) -> None:
    from gcl.reporting.build import build

    build(_experiment(), options.name, options.results, options.to)


def _load_split(data: DataSpec, manifest: Path) -> list[Any]:
    from gcl.data.manifest import load_split

    return load_split(Path(data.root), manifest, data.format, data.questions, data.actions)


def _experiment() -> Experiment:
    """The experiment of config.yaml here; the workflow hands its own, maybe changed by --config, in the environment."""
    handed = os.environ.get("GCL_CONFIG")
    return load_experiment(json.loads(handed) if handed else None)


def _parsed(kind: type[S], text: str) -> S:
    """A specification as JSON text, or a file that holds it."""
    try:
        text = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        return kind.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"{kind.__name__}: {field}: {problem['msg']}; `gcl runs ID` prints a valid run") from None
    except UnicodeDecodeError:
        raise DataError(f"{text}: not a text file; give JSON or a file that holds JSON") from None


def _count(text: str) -> int:
    """A positive whole number, as an argument."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gcl", description="Group Competitive Learning for vision-language models.")
    parser.add_argument("--version", action="version", version=f"gcl {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(parent: Any, name: str, run: Callable[..., None], text: str, example: str) -> argparse.ArgumentParser:
        child = parent.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        child.set_defaults(verb=run)
        return child

    def to(child: argparse.ArgumentParser, text: str) -> None:
        child.add_argument("--to", type=Path, required=True, metavar="PATH", help=text)

    def scratch(child: argparse.ArgumentParser) -> None:
        text = "log and checkpoints of unfinished trainings; the same command continues from them"
        child.add_argument("--scratch", type=Path, default=Path("scratch"), metavar="PATH", help=text)

    child = verb(
        verbs, "settings", _settings, "List every setting with its origin.", "gcl settings --json > settings.json"
    )
    child.add_argument("--json", action="store_true", help="machine-readable")

    child = verb(
        verbs, "runs", _runs, "List all runs, or print one.", "gcl runs snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
    )
    child.add_argument("run", nargs="?", metavar="ID", help="print this run's specification")

    data = verbs.add_parser("data", help="Make and check data.").add_subparsers(metavar="VERB", required=True)
    child = verb(data, "generate", _data_generate, "Draw a miniature data set in its raw format.",
                 "gcl data generate captions --train 3000 --seed 7 --to data/miniature/captions")  # fmt: skip
    child.add_argument("name", choices=("snei", "muson", "captions"))
    child.add_argument("--data", metavar="JSON", help="data specification (wording of the questions)")
    child.add_argument("--train", type=_count, required=True, help="scenes to train on")
    child.add_argument("--test", type=_count, default=0, help="scenes to test on")
    child.add_argument("--seed", type=int, required=True)
    to(child, "raw folder to make")

    child = verb(data, "manifest", _data_manifest, "Check a raw folder and write its manifests.",
                 "gcl data manifest --data spec.json --train 265 --test 60 --to data/manifests/snei")  # fmt: skip
    child.add_argument("--data", metavar="JSON", required=True, help="data specification, or a file with it")
    child.add_argument("--train", type=_count, required=True, help="scenes expected in the training split")
    child.add_argument("--test", type=_count, required=True, help="scenes expected in the test split")
    to(child, "folder for train.tsv and test.tsv")

    backbone = verbs.add_parser("backbone", help="Make miniature backbones.").add_subparsers(
        metavar="VERB", required=True
    )
    child = verb(backbone, "vocabulary", _backbone_vocabulary, "Train the miniature tokenizer's vocabulary.",
                 "gcl backbone vocabulary --to vocabulary.json")  # fmt: skip
    to(child, "JSON file to write")
    child = verb(backbone, "ground", _backbone_ground, "Build a miniature backbone and ground it in captions.",
                 "gcl backbone ground --spec s.json --captions captions --vocabulary v.json --to folder")  # fmt: skip
    child.add_argument("--spec", metavar="JSON", required=True, help="grounding specification, or a file with it")
    child.add_argument("--captions", type=Path, required=True, metavar="PATH")
    child.add_argument("--vocabulary", type=Path, required=True, metavar="PATH")
    scratch(child)
    to(child, "checkpoint folder to make")

    def changes(child: argparse.ArgumentParser) -> None:
        text = "change a setting of `execution`: --set engine=deepspeed --set processes=2; can be repeated"
        child.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=text)

    child = verb(verbs, "plan", _plan, "Estimate the memory of a training, per GPU, before anything is loaded.",
                 "gcl plan --memory snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0 --set processes=4")  # fmt: skip
    child.add_argument("--memory", metavar="ID", required=True, help="the run (see gcl runs)")
    child.add_argument("--tokens", type=_count, metavar="N", help="longest input, image included, if you know it")
    child.add_argument("--json", action="store_true", help="machine-readable, in bytes")
    changes(child)

    def run_verb(name: str, run: Callable[..., None], text: str, example: str) -> argparse.ArgumentParser:
        child = verb(verbs, name, run, text, example)
        child.add_argument(
            "--run", metavar="JSON", required=True, help="run specification, or a file with it (see gcl runs ID)"
        )
        return child

    child = run_verb("train", _train, "Train one group; an interrupted training continues.",
                     "gcl train --run run.json --data data.json --manifest train.tsv --to checkpoints")  # fmt: skip
    child.add_argument("--data", metavar="JSON", required=True)
    child.add_argument("--manifest", type=Path, required=True, metavar="PATH", help="train.tsv")
    scratch(child)
    changes(child)
    to(child, "folder for one checkpoint per member")

    child = run_verb("generate", _generate, "Let every member answer the test questions.",
                     "gcl generate --run r.json --data d.json --manifest test.tsv --checkpoints c --to p.jsonl")  # fmt: skip
    child.add_argument("--data", metavar="JSON", required=True)
    child.add_argument("--manifest", type=Path, required=True, metavar="PATH", help="test.tsv")
    child.add_argument("--checkpoints", type=Path, required=True, metavar="PATH", help="the run's checkpoint folder")
    child.add_argument("--batch-size", type=_count, required=True)
    child.add_argument("--max-new-tokens", type=_count, required=True)
    to(child, "JSONL file to write")

    child = run_verb("score", _score, "Score predictions.",
                     "gcl score --run r --score s --predictions p --checkpoints c --manifests m --to m.json")  # fmt: skip
    child.add_argument("--score", metavar="JSON", required=True, help="encoders, intervals, closed list of actions")
    child.add_argument("--predictions", type=Path, required=True, metavar="PATH")
    child.add_argument("--checkpoints", type=Path, required=True, metavar="PATH")
    child.add_argument("--manifests", type=Path, required=True, metavar="PATH")
    to(child, "metrics file to write")

    child = verb(verbs, "report", _report, "Build one table or figure from metrics files.",
                 "gcl report table1 --results results --to results/miniature/tables/table1")  # fmt: skip
    child.add_argument("name", help="headline, table1, table2, table3, components, fig2, fig3, fig4 or fig7")
    child.add_argument("--results", type=Path, default=Path("results"), metavar="PATH")
    to(child, "path of the files to write, without suffix")
    return parser


if __name__ == "__main__":
    sys.exit(main())
