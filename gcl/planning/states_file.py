"""States in files: `parse(text)` reads a state's text, `read_records(file)` and `write_records(file, records)` JSONL.

A line has id, task, level (cells along a side), split, seed (null if imported) and state (its text). It also has
state_hash, optimal_length and plan. These follow from the state. Other programs use them, and reading checks them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.data.annotations import kind, read_json, shown
from gcl.data.problem import Problem
from gcl.errors import DataError, raise_all
from gcl.files import write_jsonl
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.minibehaviour import MiniBehaviour
from gcl.planning.state import Plan, PlanningState

TASKS: dict[str, type[FrozenLake] | type[Maze] | type[MiniBehaviour]] = {
    state.task: state for state in (FrozenLake, Maze, MiniBehaviour)
}
SPLITS = ("train", "val", "test")
FIELDS = ("id", "task", "level", "split", "seed", "state", "state_hash", "optimal_length", "plan")
_HEADER = re.compile(r"([a-z]+) (\d{1,4})x(\d{1,4})")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # becomes the name of a file


def parse(text: str) -> PlanningState:
    """The state of a text, the inverse of `PlanningState.text`.

    Raises:
        DataError: if the text is wrong.
    """
    header, *lines = text.split("\n")  # splitlines() would also break at characters that are errors here
    parts = _HEADER.fullmatch(header)
    if parts is None or parts[1] not in TASKS or parts[2] != parts[3]:
        raise DataError(f"{shown(header)} is no first line of a state; write a task ({', '.join(TASKS)}) and NxN")
    state = TASKS[parts[1]].from_lines(int(parts[2]), lines)
    if state.text() != text:  # "03x03"
        raise DataError(
            f"{shown(header)} is not how the state's first line is spelt; write {state.text().splitlines()[0]}"
        )
    return state


@dataclass(frozen=True)
class StateRecord:
    """A state of a data set.

    Attributes:
        id: unique in its file; also the name of its picture's file.
        split: "train", "val" or "test".
        seed: of the draw; None for imported states.
        state: the state.
        plan: the shortest plan of `state.solve`.

    Raises:
        DataError: if the id or the split is invalid.
    """

    id: str
    split: str
    seed: int | None
    state: PlanningState
    plan: Plan

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            raise DataError("id: not fit for the name of a file; write letters, digits, '-', '_' and '.'")
        if self.split not in SPLITS:
            raise DataError(f"split: not one of {', '.join(SPLITS)}; correct it")

    def to_json(self) -> dict[str, Any]:
        """The record as a line of a JSONL file."""
        values = (
            *(self.id, self.state.task, self.state.size, self.split, self.seed),
            *(self.state.text(), self.state.state_hash, len(self.plan), list(self.plan)),
        )
        return dict(zip(FIELDS, values, strict=True))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "StateRecord":
        """The record of a line; every field is checked.

        Raises:
            DataError: naming the wrong field.
        """
        if different := set(fields) ^ set(FIELDS):
            raise DataError(f"{min(different)}: missing or unknown; a line has the fields {', '.join(FIELDS)}")
        seed = fields["seed"]
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise DataError(f"seed: {kind(seed)}; write a whole number or null")
        if not isinstance(fields["state"], str):
            raise DataError(f"state: {kind(fields['state'])} instead of text; write the state's text")
        try:
            state = parse(fields["state"])
        except DataError as error:
            raise DataError(f"state: {error}") from None
        record = solved(fields["id"], fields["split"], seed, state)
        record._check(fields)
        return record

    def _check(self, fields: Mapping[str, Any]) -> None:
        """Compare a line with the values that follow from the state."""
        expected = self.to_json()
        for name in ("task", "level", "state_hash", "optimal_length"):
            if fields[name] != expected[name] or type(fields[name]) is not type(expected[name]):
                raise DataError(f"{name}: the state's is {expected[name]}; correct the line, or write the file anew")
        plan = fields["plan"]
        if not isinstance(plan, list) or not all(isinstance(action, str) for action in plan):
            raise DataError("plan: not a list of texts; write one action a text")
        # Another program may prefer another shortest plan.
        if len(plan) != len(self.plan) or not self.state.simulate(plan).success:
            raise DataError(f"plan: not a shortest one; one is {' '.join(self.plan)}")


def solved(id: str, split: str, seed: int | None, state: PlanningState) -> StateRecord:
    """A record of a state, with its plan.

    Raises:
        DataError: if no plan leads to the goal.
    """
    plan = state.solve()
    if plan is None:
        raise DataError("state: cannot be solved, nothing leads to the goal; correct it or leave it out")
    return StateRecord(id, split, seed, state, plan)


def read_records(path: Path) -> list[StateRecord]:
    """All records of a JSONL file.

    Raises:
        DataError: listing every bad line as file:line.
    """
    problems: list[Problem] = []
    records: list[StateRecord] = []
    first: dict[str, str] = {}
    for line in read_json(path, problems, str(path)):
        try:
            record = StateRecord.from_json(line.fields)
        except DataError as error:
            problems.append(Problem(line.where, "", str(error)))
            continue
        if record.id in first:
            what = f"{record.id} is also that of {first[record.id]}"
            problems.append(Problem(line.where, "id", what, "give another"))
        first.setdefault(record.id, line.where)
        records.append(record)
    raise_all(problems, str(path))
    return records


def write_records(path: Path, records: Iterable[StateRecord]) -> None:
    """Write records as JSONL, whole or not at all."""
    write_jsonl(path, (record.to_json() for record in records))


def summary(records: Iterable[StateRecord]) -> str:
    """Number of states and lengths of plans, one line for each task, level and split."""
    groups: dict[tuple[str, int, str], list[StateRecord]] = defaultdict(list)
    for record in records:
        groups[record.state.task, record.state.size, record.split].append(record)
    lines = []
    for (task, level, split), group in sorted(groups.items()):
        lengths = sorted(len(record.plan) for record in group)
        distinct = len({record.state.state_hash for record in group})
        same = f" ({distinct} distinct)" if distinct < len(group) else ""
        plans = f"plans of {lengths[0]} to {lengths[-1]} actions, half up to {lengths[(len(group) - 1) // 2]}"
        lines.append(f"{task} {level} {split}: {len(group)} states{same}, {plans}")
    return "\n".join(lines)
