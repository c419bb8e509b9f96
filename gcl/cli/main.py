"""The `gcl` command: thin verbs over the package. The workflow calls them; people can, too.

Errors that a user can mend are one line (or one line a mistake) on standard error, status 2, no traceback.
"""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gcl import __version__
from gcl.cli import verbs, verbs_report
from gcl.cli.options import changes, count, pictures, positive, results, scale, scratch, to, verb
from gcl.cli.planning_parsers import add_planning
from gcl.errors import GCLError
from gcl.operations.gpu_hours import TFLOPS


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gcl", description="Group Competitive Learning for vision-language models.")
    parser.add_argument("--version", action="version", version=f"gcl {__version__}")
    commands = parser.add_subparsers(metavar="VERB", required=True)

    child = verb(
        commands,
        "settings",
        verbs.settings,
        "List every setting with its origin.",
        "gcl settings --json > settings.json",
    )
    child.add_argument("--json", action="store_true", help="machine-readable")
    text = "instead: write the JSON Schema of config.yaml, for editors"
    child.add_argument("--schema", type=Path, metavar="PATH", help=text)

    child = verb(
        commands,
        "runs",
        verbs.runs,
        "List all runs, or print one.",
        "gcl runs snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0",
    )
    child.add_argument("run", nargs="?", metavar="ID", help="print this run's specification")

    data = commands.add_parser("data", help="Make and check data.").add_subparsers(metavar="VERB", required=True)
    child = verb(data, "generate", verbs.data_generate, "Draw a miniature data set, as if it had been downloaded.",
                 "gcl data generate captions --train 3000 --seed 7 --to data/miniature/captions")  # fmt: skip
    child.add_argument("name", choices=("snei", "muson", "captions"))
    child.add_argument("--data", metavar="JSON", help="data specification (default: as config.yaml says)")
    child.add_argument("--train", type=count, required=True, help="scenes to train on")
    child.add_argument("--test", type=count, default=0, help="scenes to test on")
    child.add_argument("--seed", type=int, required=True)
    child.add_argument(
        "--tuning", action="store_true", help="scenes to choose settings on, unlike those of any test split"
    )
    to(child, "folder to make")

    child = verb(data, "inspect", verbs.data_inspect, "Show what a download holds, and propose how to import it.",
                 "gcl data inspect ~/Downloads/MUSON --to muson.yaml")  # fmt: skip
    child.add_argument("source", type=Path, metavar="SOURCE", help="folder or annotation file")
    text = "the data set of config.yaml that it is to be: its actions and sizes count (default: found out)"
    child.add_argument("--for", dest="data_set", metavar="DATASET", help=text)
    child.add_argument("--to", type=Path, metavar="PATH", help="write the proposed mapping here, for you to confirm")
    scale(child)

    child = verb(data, "import", verbs.data_import, "Turn a download into a raw folder of the pipeline.",
                 "gcl data import muson ~/Downloads/MUSON --mapping muson.yaml --to data/raw/muson")  # fmt: skip
    text = "llava, socialnav-sub, or a data set of config.yaml, whose closed list of actions then holds"
    child.add_argument("kind", metavar="KIND", help=text)
    child.add_argument("source", type=Path, metavar="SOURCE", help="folder or annotation file")
    child.add_argument("--mapping", type=Path, required=True, metavar="PATH", help="as `gcl data inspect` proposes it")
    child.add_argument("--show", type=count, default=20, metavar="N", help="mistakes to list (default: %(default)s)")
    scale(child)
    to(child, "raw folder to make, usually data/raw/<data set>")

    child = verb(data, "validate", verbs.data_validate, "Check a raw folder for all that would spoil a result.",
                 "gcl data validate muson --scale paper --html muson.html\n"
                 "  gcl data validate --folder data/raw/other")  # fmt: skip
    child.add_argument("name", nargs="?", metavar="DATASET", help="its name in config.yaml")
    text = "this raw folder; without DATASET any size will do, and actions are those of its import's KIND"
    child.add_argument("--folder", type=Path, metavar="DIR", help=text)
    child.add_argument("--json", type=Path, metavar="PATH", help="write everything as JSON, too")
    child.add_argument("--html", type=Path, metavar="PATH", help="write a page with sampled scenes, too")
    scale(child)

    child = verb(data, "manifest", verbs.data_manifest, "Check a raw folder and write train.tsv and test.tsv.",
                 "gcl data manifest snei --scale paper")  # fmt: skip
    child.add_argument("name", metavar="DATASET", help="its name in config.yaml")
    scale(child)

    add_planning(commands)

    backbone = commands.add_parser("backbone", help="Make miniature backbones.").add_subparsers(
        metavar="VERB", required=True
    )
    child = verb(backbone, "vocabulary", verbs.backbone_vocabulary, "Train the miniature tokenizer's vocabulary.",
                 "gcl backbone vocabulary --to vocabulary.json")  # fmt: skip
    to(child, "JSON file to write")
    child = verb(backbone, "ground", verbs.backbone_ground, "Build a miniature backbone and ground it in captions.",
                 "gcl backbone ground --spec s.json --captions captions --vocabulary v.json --to folder")  # fmt: skip
    child.add_argument("--spec", metavar="JSON", required=True, help="grounding specification, or a file with it")
    child.add_argument("--captions", type=Path, required=True, metavar="PATH")
    child.add_argument("--vocabulary", type=Path, required=True, metavar="PATH")
    scratch(child)
    to(child, "checkpoint folder to make")

    child = verb(commands, "plan", verbs.plan, "Say what would run, why, and what it takes; nothing is started.",
                 "gcl plan table1 --scale paper\n"
                 "  gcl plan --memory snei/sft/qwen3-vl-4b/default/seed0 --set processes=4")  # fmt: skip
    child.add_argument("targets", nargs="*", metavar="TARGET", help="as for snakemake (default: all)")
    what = child.add_mutually_exclusive_group()
    what.add_argument("--memory", metavar="ID", help="instead: memory per GPU of this run (see gcl runs)")
    what.add_argument("--disk", action="store_true", help="instead: disk for the checkpoints of all runs")
    scale(child)
    results(child)
    text = "10^12 operations a second that a GPU keeps up, where nothing was measured (default: %(default)s)"
    child.add_argument("--tflops", type=positive, default=TFLOPS, metavar="N", help=text)
    text = "with --memory: longest input, image included, if you know it"
    child.add_argument("--tokens", type=count, metavar="N", help=text)
    child.add_argument("--json", action="store_true", help="machine-readable, memory in bytes")
    changes(child)

    child = verb(commands, "status", verbs.status, "Say where every run stands: done, running, queued, failed, and why.",
                 "gcl status --scale paper")  # fmt: skip
    child.add_argument("runs", nargs="*", metavar="ID", help="these runs only (default: all; see gcl runs)")
    child.add_argument("--all", action="store_true", help="list runs that are done or to do, too")
    child.add_argument("--json", action="store_true", help="machine-readable")
    scale(child)

    child = verb(commands, "doctor", verbs.doctor, "Check this machine and a compute node before GPUs are spent.",
                 "gcl doctor --scale paper --slurm='--partition=gpu --account=lab'")  # fmt: skip
    child.add_argument("--slurm", default="", metavar="OPTIONS", help="of srun, for the check of a node")
    child.add_argument("--here", action="store_true", help="only this machine: what the job on the node does")
    child.add_argument("--json", action="store_true", help="machine-readable")
    scale(child)

    def run_verb(name: str, run: Callable[..., None], text: str, example: str) -> argparse.ArgumentParser:
        child = verb(commands, name, run, text, example)
        child.add_argument(
            "--run", metavar="JSON", required=True, help="run specification, or a file with it (see gcl runs ID)"
        )
        return child

    child = run_verb("train", verbs.train, "Train one group; an interrupted training continues.",
                     "gcl train --run run.json --data data.json --manifest train.tsv --to checkpoints")  # fmt: skip
    child.add_argument("--data", metavar="JSON", required=True)
    child.add_argument("--manifest", type=Path, required=True, metavar="PATH", help="train.tsv")
    child.add_argument(
        "--record", type=Path, metavar="PATH", help="file for a copy of the run's record: costs, versions"
    )
    scratch(child)
    changes(child)
    to(child, "folder for one checkpoint per member")

    child = run_verb("generate", verbs.generate, "Let every member answer the test questions.",
                     "gcl generate --run r.json --data d.json --manifest test.tsv --checkpoints c --to p.jsonl")  # fmt: skip
    child.add_argument("--data", metavar="JSON", required=True)
    child.add_argument("--manifest", type=Path, required=True, metavar="PATH", help="test.tsv")
    child.add_argument("--checkpoints", type=Path, required=True, metavar="PATH", help="the run's checkpoint folder")
    child.add_argument("--batch-size", type=count, required=True)
    child.add_argument("--max-new-tokens", type=count, required=True)
    pictures(child)
    to(child, "JSONL file to write")

    child = run_verb("score", verbs.score, "Score predictions.",
                     "gcl score --run r --score s --predictions p --checkpoints c --manifests m --summary u"
                     " --to metrics.json")  # fmt: skip
    child.add_argument("--score", metavar="JSON", required=True, help="encoders, intervals, closed list of actions")
    child.add_argument("--predictions", type=Path, required=True, metavar="PATH")
    child.add_argument("--checkpoints", type=Path, required=True, metavar="PATH")
    child.add_argument("--manifests", type=Path, required=True, metavar="PATH")
    child.add_argument("--summary", type=Path, required=True, metavar="PATH", help="file for the means alone")
    pictures(child)
    to(child, "metrics file to write")

    child = verb(commands, "predict", verbs.predict, "Ask a member, or any base model, about pictures of your own.",
                 "gcl predict --checkpoint results/miniature/checkpoints/snei/sft/qwen3-vl-4b/default/seed0/solo"
                 " --image photo.png\n"
                 "  find photos -name '*.jpg' | gcl predict --checkpoint DIR --image - --json")  # fmt: skip
    text = (
        "a member's folder, results/<scale>/checkpoints/<run>/<role>; or a base model: its folder, or hub id[@commit]"
    )
    child.add_argument("--checkpoint", required=True, metavar="MODEL", help=text)
    text = "pictures; - reads paths from standard input, one a line"
    child.add_argument("--image", nargs="+", action="extend", required=True, metavar="FILE", help=text)
    text = "ask this one of the member's questions, such as action; can be repeated (default: all)"
    child.add_argument("--turn", action="append", metavar="NAME", help=text)
    text = "ask this, in your own words; can be repeated"
    child.add_argument("--question", action="append", metavar="TEXT", help=text)
    text = "base models only: read actions with the closed list of this data set of config.yaml"
    child.add_argument("--dataset", metavar="NAME", help=text)
    text = "pictures answered together, then printed (default: as in the evaluation)"
    child.add_argument("--batch-size", type=count, metavar="N", help=text)
    text = "longest answer, in tokens (default: as in the evaluation)"
    child.add_argument("--max-new-tokens", type=count, metavar="N", help=text)
    child.add_argument("--json", action="store_true", help="machine-readable, one line a picture")
    scale(child)

    child = verb(commands, "compare", verbs_report.compare, "Say how two scored runs differ, scene by scene.",
                 "gcl compare snei/sft/qwen3-vl-4b/default/seed0 snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0")  # fmt: skip
    text = "two runs, A and B: ids (see gcl runs), of MGSD's maybe with /QUESTION, or metrics files"
    child.add_argument("runs", nargs=2, metavar="RUN", help=text)
    text = "compare this member of A with that one of B (default: every model that is in both)"
    child.add_argument("--members", nargs=2, metavar="ROLE", help=text)
    text = "list so many of the scenes that differ most in the first metric (default: %(default)s)"
    child.add_argument("--worst", type=count, default=5, metavar="N", help=text)
    child.add_argument("--json", action="store_true", help="machine-readable")
    scale(child)
    results(child)

    child = verb(commands, "trace", verbs_report.trace, "Follow a number of a table back to all that it rests on.",
                 "gcl trace headline\n"
                 "  gcl trace headline:learner/full:action_f1")  # fmt: skip
    text = "a table, to list what can be asked of it, or TABLE:ROW:COLUMN; the row by number, or by words joined by /"
    child.add_argument("cell", metavar="CELL", help=text)
    child.add_argument("--json", action="store_true", help="machine-readable")
    scale(child)
    results(child)

    child = verb(commands, "crate", verbs_report.crate, "Pack all tables and what led to them as an RO-Crate.",
                 "gcl crate --scale paper --to gcl-paper.zip")  # fmt: skip
    scale(child)
    results(child)
    to(child, "zip to write")

    child = verb(commands, "report", verbs_report.report, "Build one table or figure from metrics files, or a page of all.",
                 "gcl report table1 --results results --to results/miniature/tables/table1\n"
                 "  gcl report page --to results/miniature/report.html")  # fmt: skip
    child.add_argument("name", metavar="NAME", choices=verbs_report.REPORTS, help=", ".join(verbs_report.REPORTS))
    results(child)
    to(child, "path of the files to write, without suffix; of the page with it")
    return parser
