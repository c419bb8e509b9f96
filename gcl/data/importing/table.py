"""One row for each scene, as MUSON describes its five fields: `scenes(records, reading)`."""

from collections.abc import Iterable, Iterator

from gcl.data.importing.mapping import ByColumn
from gcl.data.importing.scene import Reading, Scene, picture_of, scene_id, split_of
from gcl.data.records import Record, shown, text_field
from gcl.data.scenario import TURNS


def scenes(records: Iterable[Record], reading: Reading) -> Iterator[Scene]:
    """The scene of each row."""
    columns, problems = reading.mapping.columns, reading.problems
    for number, record in enumerate(records):
        if number == 0 and not _has_columns(record, reading):
            return
        picture = picture_of(record, (columns.image,), problems)
        id = scene_id(record, columns.id, picture, reading)
        texts = {turn: text_field(record.fields, getattr(columns, turn), record.where, problems) for turn in TURNS}
        label = None if columns.label is None else text_field(record.fields, columns.label, record.where, problems)
        turns = {turn: (None, text) for turn, text in texts.items() if text is not None}
        yield Scene(record.where, id, picture, turns, label, split_of(record, reading))


def _has_columns(record: Record, reading: Reading) -> bool:
    """Whether the file has every column that the mapping names: said once, not for each row."""
    named = list(reading.mapping.columns.model_dump(exclude_none=True).values())
    if isinstance(reading.mapping.split, ByColumn):
        named.append(reading.mapping.split.column)
    missing = [shown(name) for name in named if name not in record.fields]
    if missing:
        there = ", ".join(map(shown, record.fields))
        what = f"no column {', '.join(missing)} (there are: {there})"
        reading.problems.append(f"{record.where}: {what}; correct columns in {reading.mapping_name}")
    return not missing
