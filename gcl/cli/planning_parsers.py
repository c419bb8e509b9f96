"""The parsers of `gcl planning ...`; what the verbs do is in verbs_planning.py."""

import argparse
from pathlib import Path
from typing import Any

from gcl.cli import verbs_planning
from gcl.cli.options import changes, count, scratch, to, verb
from gcl.experiment.planning_schema import QUESTIONS, VIEWS


def add_planning(commands: Any) -> None:
    """Add the group of verbs to the parser's commands."""
    planning = commands.add_parser(
        "planning", help="MGSD: states of planning tasks, trainings on them, plans and their scores."
    )
    planning = planning.add_subparsers(metavar="VERB", required=True)
    child = verb(planning, "generate", verbs_planning.generate, "Draw states of one task and level, no state twice.",
                 "gcl planning generate --task maze --level 4 --train 1500 --val 25 --test 250 --seed 1 --to maze-4.jsonl\n"
                 "  gcl planning generate --task frozenlake --level 3 --train 1500 --val 25 --seed 1 --exclude vsp.jsonl"
                 " --to frozenlake-3.jsonl")  # fmt: skip
    child.add_argument("--task", choices=("frozenlake", "maze", "minibehaviour"), required=True)
    text = "cells along a side; the paper has 3 to 8 (frozenlake), 3 to 6 (maze), 5 and 6 (minibehaviour)"
    child.add_argument("--level", type=count, required=True, metavar="L", help=text)
    child.add_argument("--train", type=count, default=0, metavar="N", help="states to train on")
    child.add_argument("--val", type=count, default=0, metavar="N", help="states to choose settings on")
    child.add_argument("--test", type=count, default=0, metavar="N", help="states to test on")
    child.add_argument("--seed", type=int, required=True)
    text = "frozenlake: leave start and goal in the corners (default: anywhere, two moves apart or more)"
    child.add_argument("--corners", action="store_true", help=text)
    text = "a file of states that must not come, such as a public test set; can be repeated"
    child.add_argument("--exclude", type=Path, action="append", default=[], metavar="FILE", help=text)
    to(child, "JSONL file to write")

    child = verb(planning, "import", verbs_planning.import_states, "Check a public test set's states and write them.",
                 "gcl planning import --format vsp ~/Downloads/VSP-main/maze/task-main/maps --to vsp.jsonl\n"
                 "  gcl planning import --format visualplanning test_dataset.jsonl --to visualplanning.jsonl")  # fmt: skip
    text = "vsp: its FrozenLake maps; visualplanning: its MiniBehaviour test set"
    child.add_argument("--format", choices=("vsp", "visualplanning"), required=True, help=text)
    child.add_argument("source", type=Path, metavar="SOURCE", help="VSP's folder of maps, or a JSONL file")
    to(child, "JSONL file to write")

    child = verb(planning, "gather", verbs_planning.gather, "Put several files of states into one, whole or not at all.",
                 "gcl planning gather maze-3.jsonl maze-4.jsonl --to states.jsonl")  # fmt: skip
    child.add_argument("states", nargs="+", type=Path, metavar="FILE", help="JSONL, as generate and import write it")
    to(child, "JSONL file to write")

    child = verb(planning, "render", verbs_planning.render, "Draw a picture of every state of a file.",
                 "gcl planning render --states maze-4.jsonl --out pictures\n"
                 "  gcl planning render --states vsp.jsonl --out vsp --native")  # fmt: skip
    child.add_argument(
        "--states", type=Path, required=True, metavar="FILE", help="JSONL, as generate and import write it"
    )
    child.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for one <id>.png a state")
    size = child.add_mutually_exclusive_group()
    size.add_argument("--native", action="store_true", help="frozenlake: as gymnasium draws it, 64 pixels a cell")
    size.add_argument("--cell-pixels", type=count, metavar="N", help="along a side of each cell")
    size.add_argument("--pixels", type=count, default=256, metavar="N", help="along a side (default: %(default)s)")

    child = verb(planning, "vocabulary", verbs_planning.vocabulary, "Train a miniature tokenizer on words about states.",
                 "gcl planning vocabulary --states maze-4.jsonl --size 400 --to vocabulary.json")  # fmt: skip
    child.add_argument("--states", type=Path, required=True, metavar="FILE", help="JSONL, as generate writes it")
    child.add_argument("--size", type=count, required=True, metavar="N", help="tokens, special ones apart")
    _system(child)
    to(child, "JSON file to write")

    child = verb(planning, "build", verbs_planning.build, "Write an untrained miniature model.",
                 "gcl planning build --architecture model.json --vocabulary vocabulary.json --to model")  # fmt: skip
    text = "backbone of a model in workflow/scales/miniature.yaml as JSON, or a file with it"
    child.add_argument("--architecture", metavar="JSON", required=True, help=text)
    child.add_argument("--vocabulary", type=Path, required=True, metavar="FILE", help="as vocabulary writes it")
    _pixels(child)
    child.add_argument("--seed", type=int, default=0, help="of its weights (default: %(default)s)")
    to(child, "checkpoint folder to make")

    child = verb(planning, "train", verbs_planning.train, "Train on planning tasks; an interrupted training continues.",
                 "gcl planning train --spec run.json --states maze-4.jsonl --pictures maze-4 --to checkpoints")  # fmt: skip
    child.add_argument("--spec", metavar="JSON", required=True, help="specification, or a file with it")
    _tasks(child)
    text = "file for a copy of the run's record: costs, versions"
    child.add_argument("--record", type=Path, metavar="PATH", help=text)
    scratch(child)
    changes(child)
    to(child, "folder for one checkpoint per member")

    child = verb(planning, "answer", verbs_planning.answer, "Let a member find plans, or read pictures.",
                 "gcl planning answer --checkpoint checkpoints/student --states maze-4.jsonl --pictures pictures"
                 " --to answers\n"
                 "  gcl planning answer --checkpoint model --questions symbols symbols+plan --states maze-4.jsonl"
                 " --pictures pictures --to upper-bounds")  # fmt: skip
    child.add_argument("--checkpoint", required=True, metavar="MODEL", help="the member's folder, or a hub id")
    _tasks(child)
    child.add_argument("--split", choices=("train", "val", "test"), default="test", help="(default: %(default)s)")
    text = (
        f"{', '.join(VIEWS)}: a plan, from what is named; answer: a plan from the picture, without map and route; reading: "
        "what the picture shows (default: image)"
    )
    child.add_argument("--questions", nargs="+", choices=QUESTIONS, default=["image"], metavar="QUESTION", help=text)
    child.add_argument("--revision", metavar="COMMIT", help="of a model on the hub")
    _system(child)
    _pixels(child)
    text = "on a GPU (default: %(default)s)"
    child.add_argument("--precision", choices=("float32", "bfloat16", "float16"), default="bfloat16", help=text)
    child.add_argument("--batch-size", type=count, default=16, metavar="N", help="(default: %(default)s)")
    text = "longest answer, in tokens (default: %(default)s)"
    child.add_argument("--max-new-tokens", type=count, default=1024, metavar="N", help=text)
    to(child, "folder to make, with <question>.jsonl for each")

    child = verb(planning, "score", verbs_planning.score, "Score answers: success, optimal, illegal, with intervals.",
                 "gcl planning score --answers answers/image.jsonl --states maze-4.jsonl --to metrics.json")  # fmt: skip
    child.add_argument("--answers", type=Path, required=True, metavar="FILE", help="JSONL, as answer writes it")
    child.add_argument("--states", type=Path, required=True, metavar="FILE", help="the states that were asked about")
    text = "of the bootstrap (default: %(default)s)"
    child.add_argument("--resamples", type=count, default=2000, metavar="N", help=text)
    text = (
        "what was asked, such as planning/mgsd/M+M/full/seed0/image: the file then says what its rates were made from"
    )
    child.add_argument("--run", metavar="ID", help=text)
    text = "with --run: who answered, the member's folder or a hub id"
    child.add_argument("--checkpoint", metavar="MODEL", help=text)
    child.add_argument("--revision", metavar="COMMIT", help="of a model on the hub")
    to(child, "metrics file to write")


def _tasks(child: argparse.ArgumentParser) -> None:
    """--states and --pictures: what is trained on, or asked about."""
    child.add_argument("--states", type=Path, required=True, metavar="FILE", help="JSONL, as generate writes it")
    text = "folder with one <id>.png a state, as render makes it"
    child.add_argument("--pictures", type=Path, required=True, metavar="DIR", help=text)


def _system(child: argparse.ArgumentParser) -> None:
    """--system: the message before all others."""
    child.add_argument("--system", default="You are a helpful assistant.", help="system message (default: %(default)s)")


def _pixels(child: argparse.ArgumentParser) -> None:
    """--pixels: limits of what pictures are resized to."""
    text = "smallest and largest picture area after resizing (default: MGSD's, 65536 262144)"
    child.add_argument("--pixels", type=count, nargs=2, default=(65536, 262144), metavar=("MIN", "MAX"), help=text)
