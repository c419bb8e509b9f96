"""The verbs of the `gcl planning` commands: functions of parsed options, called by gcl.cli.

Libraries that draw are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import argparse


def render(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from gcl.errors import raise_all
    from gcl.planning.frozenlake import FrozenLake
    from gcl.planning.native import native
    from gcl.planning.records import read_records
    from gcl.planning.render import render, save_picture

    records = read_records(options.states)
    if options.native:
        others = [f"{r.id}: {r.state.task}; leave out --native" for r in records if not isinstance(r.state, FrozenLake)]
        raise_all(others, f"{options.states}: only FrozenLake has a picture of gymnasium's")
    for record in tqdm(records, desc="drawing", unit="picture", mininterval=2):
        picture = native(record.state) if options.native else render(record.state, options.pixels)
        save_picture(picture, options.out / f"{record.id}.png")


def generate(options: argparse.Namespace) -> None:
    from gcl.planning.generate import generate
    from gcl.planning.records import read_records, summary, write_records

    excluded = {record.state.state_hash for path in options.exclude for record in read_records(path)}
    counts = {"train": options.train, "val": options.val, "test": options.test}
    records = generate(options.task, options.level, counts, options.seed, corners=options.corners, exclude=excluded)
    write_records(options.to, records)
    print(summary(records))


def import_states(options: argparse.Namespace) -> None:
    from gcl.planning.importing import import_states
    from gcl.planning.records import summary, write_records

    records = import_states(options.format, options.source)
    write_records(options.to, records)
    print(summary(records))
