"""The records of a download: `find_files(source, mapping, problems)`, `read_records(file, problems)`.

JSON, JSONL, CSV, TSV, Parquet and Hugging Face `datasets` folders all become the same `Record`s, one at a time. The text of
a JSON file is read at once. formats.py knows the meaning of records.
"""

import csv
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.data.annotations import Record, read_json, shown, text_lines
from gcl.data.images import POINTER
from gcl.data.importing.layout import Mapping
from gcl.data.problem import GeneralProblem, Problem, ProblemError
from gcl.data.raw import leads_out

JSON, CSV, PARQUET = (".json", ".jsonl", ".ndjson"), (".csv", ".tsv"), (".parquet",)
SUFFIXES = (*JSON, *CSV, *PARQUET)
# `save_to_disk` writes these: the first for a data set, the second for a folder with one for each split.
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"
FILE = "(file)"  # field of a record of JSON: the name of its file, without suffix
_DELIMITERS = ",;\t"
_BATCH = 64  # rows of a Parquet file in memory at once: they may hold pictures


@dataclass(frozen=True)
class SourceFile:
    """An annotation file, or the folder of a saved data set."""

    path: Path  # where it is
    name: str  # relative to the download
    split: str | None = None  # of all its scenes, from the mapping
    records: str | None = None  # keys that lead to the records inside a JSON file


def find_files(source: Path, mapping: Mapping, problems: list[Problem]) -> list[SourceFile]:
    """The annotation files of a download in the order of the mapping, those of one pattern by name."""
    files: dict[tuple[Path, str | None], SourceFile] = {}
    for pattern, split, records in mapping.patterns():
        matches = sorted(source.glob(pattern)) if any(sign in pattern for sign in "*?[") else [source / pattern]
        if not matches or not all(match.exists() for match in matches):
            problems.append(GeneralProblem(pattern, "", f"no such file in {source}", "correct files in the mapping"))
            continue
        for match in matches:
            name = match.relative_to(source).as_posix()
            if out := leads_out(name, source):
                problems.append(GeneralProblem(name, "", out[0], out[1].replace("picture", "file")))
                continue
            if (match, records) in files:
                problems.append(GeneralProblem(name, "", "named twice by files in the mapping", "name it once"))
            files[match, records] = SourceFile(match, name, split, records)
    return list(files.values())


def read_records(
    file: SourceFile, problems: list[Problem], skip: Set[str] = frozenset(), skipped: set[str] | None = None
) -> Iterator[Record]:
    """Records of one file. Each flaw becomes one of the `problems`.

    Places in `skip` give neither records nor problems. `skipped` gets those that were found.
    """
    empty, skipped = True, set() if skipped is None else skipped
    flaws: list[Problem] = []
    records = _records(file, flaws)
    while True:
        try:
            record = next(records, None)
        except ProblemError as error:
            record = None
            flaws.append(error.problem)
        for flaw in flaws:
            if flaw.place in skip:
                skipped.add(flaw.place)
            else:
                problems.append(flaw)
        empty = empty and not flaws and record is None
        flaws.clear()
        if record is None:
            break
        if record.where in skip:
            skipped.add(record.where)
        else:
            yield record
    if empty:
        problems.append(GeneralProblem(file.name, "", "no records", "add the scenes"))


def _records(file: SourceFile, problems: list[Problem]) -> Iterator[Record]:
    suffix = file.path.suffix.lower()
    if _is_pointer(file.path):
        remedy = "run `git lfs pull` in the download"
        raise ProblemError(GeneralProblem(file.name, "", "a Git LFS pointer instead of the file", remedy))
    if file.path.is_dir() or suffix in PARQUET:
        yield from _read_datasets(file)
    elif suffix in JSON:
        alone = suffix == ".json" and file.records is None
        for record in read_json(file.path, problems, file.name, file.records):
            # Where each scene has a file, the file's name may name its picture.
            yield Record(record.where, {FILE: file.path.stem, **record.fields}) if alone else record
    elif suffix in CSV:
        yield from _read_csv(file, problems)
    else:
        known = f"known are {', '.join(SUFFIXES)} and saved data sets"
        raise ProblemError(GeneralProblem(file.name, "", "not a file of annotations", known))


def _is_pointer(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(POINTER)) == POINTER


def _read_csv(file: SourceFile, problems: list[Problem]) -> Iterator[Record]:
    """Records of a table with a header line. The most frequent of , ; and tab in the header separates columns."""
    lines = text_lines(file.path, file.name)
    first = next(lines, "")
    said = 1  # lines before the records
    if first.lower().startswith("sep="):  # Excel's own first line
        first, said = next(lines, ""), 2
    delimiter = max(_DELIMITERS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(header):
        raise ProblemError(Problem(f"{file.name}:{said}", "", "no header", "begin with a line of column names"))
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        what = f"column {shown(twice[0])} stands there twice"
        raise ProblemError(Problem(f"{file.name}:{said}", "header", what, "rename one"))
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    number = said + 1
    try:
        for row in reader:
            if row and len(row) != len(header):
                what = f"{len(row)} columns instead of {len(header)}"
                remedy = f"put texts with {delimiter!r} into double quotes"
                problems.append(Problem(f"{file.name}:{number}", "", what, remedy))
            elif row:
                yield Record(f"{file.name}:{number}", dict(zip(header, row, strict=True)))
            number = reader.line_num + said + 1
    except csv.Error as error:
        remedy = "check the double quotes of this record"
        raise ProblemError(Problem(f"{file.name}:{number}", "", f"not valid CSV: {error}", remedy)) from None


def _read_datasets(file: SourceFile) -> Iterator[Record]:
    if file.path.is_dir() and not (file.path / SAVED).is_file():
        raise ProblemError(GeneralProblem(file.name, "", *_not_saved(file)))
    try:
        for number, row in enumerate(_rows(file.path), start=1):
            yield Record(f"{file.name}: row {number}", row)
    except Exception as error:  # damaged files make the libraries below raise nearly anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        what = f"cannot be read as a data set ({reason})"
        raise ProblemError(GeneralProblem(file.name, "", what, "fetch it again")) from None


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows as they are stored, pictures undecoded. A class label becomes its name."""
    import datasets  # takes seconds, and most downloads need none of it
    import pyarrow.parquet

    if path.is_dir():
        saved = datasets.load_from_disk(str(path)).with_format("arrow")
        features, batches = saved.features, saved.iter(_BATCH)
    else:
        # Not through `datasets`: it holds a whole group of rows at once, in most files all rows.
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        features, batches = datasets.Features.from_arrow_schema(file.schema_arrow), file.iter_batches(_BATCH)
    names = {name: feature.names for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)}
    for batch in batches:
        for row in batch.to_pylist():
            for name, labels in names.items():
                row[name] = labels[row[name]] if row[name] in range(len(labels)) else None
            yield row


def _not_saved(file: SourceFile) -> tuple[str, str]:
    """The problem of a folder that is no saved data set, and its remedy."""
    if (file.path / SAVED_SPLITS).is_file():
        parts = sorted(f"{file.name}/{part.name}" for part in file.path.iterdir() if (part / SAVED).is_file())
        return "a data set of several splits", f"name them by split in files: {', '.join(parts)}"
    return f"a folder without {SAVED}", f"name the files in it, for example {file.name}/train-*.parquet"
