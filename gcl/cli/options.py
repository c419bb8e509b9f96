"""What the parsers of `gcl` share: kinds of arguments, and options that several verbs have."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from gcl.experiment.types import Pictures


def count(text: str) -> int:
    """A positive whole number, as an argument."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


def positive(text: str) -> float:
    """A positive number, as an argument."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return number


def verb(parent: Any, name: str, run: Callable[..., None], text: str, example: str) -> argparse.ArgumentParser:
    """A verb: what it does, an example of its use, the function that does it."""
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
    """--to: where to write."""
    child.add_argument("--to", type=Path, required=True, metavar="PATH", help=text)


def scale(child: argparse.ArgumentParser) -> None:
    """--scale: of the experiment."""
    text = "instead of the scale in config.yaml: miniature, rehearsal or paper"
    child.add_argument("--scale", metavar="SCALE", help=text)


def results(child: argparse.ArgumentParser) -> None:
    """--results: where results are."""
    text = "folder of all results (default: %(default)s)"
    child.add_argument("--results", type=Path, default=Path("results"), metavar="PATH", help=text)


def scratch(child: argparse.ArgumentParser) -> None:
    """--scratch: where unfinished trainings are."""
    text = "log and checkpoints of unfinished trainings; the same command continues from them"
    child.add_argument("--scratch", type=Path, default=Path("scratch"), metavar="PATH", help=text)


def pictures(child: argparse.ArgumentParser) -> None:
    """--pictures: what members see of a test scene."""
    text = "each scene's own picture, or that of another scene as a control (default: %(default)s)"
    child.add_argument("--pictures", choices=get_args(Pictures), default="own", help=text)


def changes(child: argparse.ArgumentParser) -> None:
    """--set: changes of `execution`."""
    text = "change a setting of `execution`: --set engine=deepspeed --set processes=2; can be repeated"
    child.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=text)
