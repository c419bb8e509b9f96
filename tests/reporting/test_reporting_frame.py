"""Tables as pandas frames: every score of a table is there, with the digits of the table itself."""

import math

import pandas as pd
import pytest
from conftest import ROOT

from gcl.errors import DataError
from gcl.files import read_json, write_json
from gcl.reporting.tables.frame import COLUMNS, NUMBERS, read_frame, table_frame
from gcl.reporting.tables.result_table import Score, read_table_file

TABLES = sorted(path.name.split(".")[0] for path in (ROOT / "results/reference/miniature").glob("*.provenance.json"))

# Tables on the tuning scenes compare rates, and nothing with a control.
TUNING = ("rates", "exchange_rates", "exchange_planning_rates")


def reference(name):
    return read_table_file(ROOT / f"results/reference/miniature/{name}.provenance.json", "miniature", name)


@pytest.mark.parametrize("name", TABLES)
def test_every_score_is_one_row(name):
    table = reference(name)
    frame = table_frame(table)
    scored = [column.name for column in table.columns if column.kind in ("score", "gain")]
    cells = {
        (number, measure): row.cells[measure]
        for number, row in enumerate(table.rows, start=1)
        for measure in scored
        if row.cells[measure] is not None
    }
    assert [*zip(frame.row, frame.measure, strict=True)] == [*cells] and cells
    assert tuple(frame.columns[-len(COLUMNS) :]) == COLUMNS
    assert all(frame[column].dtype == "float64" for column in NUMBERS)
    for record in frame.to_dict("records"):
        cell, row = cells[record["row"], record["measure"]], table.rows[record["row"] - 1]
        assert (record["mean"], record["low"], record["high"]) == (cell.mean, cell.low, cell.high)
        gain = cell.gain if isinstance(cell, Score) else cell
        if gain is None:
            assert math.isnan(record["p"]) and not isinstance(record["mark"], str)
        else:
            assert (record["p"], record["mark"]) == (gain.p, gain.mark)
        if isinstance(cell, Score) and gain is not None:
            assert (record["gain"], record["gain_low"], record["gain_high"]) == (gain.mean, gain.low, gain.high)
        else:
            assert math.isnan(record["gain"])
        assert record["kind"] == ("score" if isinstance(cell, Score) else "gain")
        assert record["exchanged"] == row.exchanged and record["seeds"] == row.seeds
        found = {name: None if pd.isna(record[name]) else record[name] for name in table.identity(row)}
        assert found == table.identity(row)
    assert any(isinstance(mark, str) for mark in frame["mark"]) or name in TUNING


def test_published_values_are_numbers():
    table = reference("headline")
    row = table.rows[2]
    cell = row.cells["action_f1"].model_copy(update={"paper": 0.5, "verdict": "differs", "runs": ["a", "b"]})
    changed = row.model_copy(update={"cells": row.cells | {"action_f1": cell}})
    frame = table_frame(table.model_copy(update={"rows": [changed]}))
    first = frame.iloc[0]
    assert (first.paper, first.verdict, first.runs) == (0.5, "differs", "a b") and math.isnan(frame.iloc[1].paper)


def test_a_table_that_is_not_there_or_of_an_earlier_version_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"make it with: snakemake --cores 2 .*/miniature/tables/headline\.md"):
        read_frame("headline", results=tmp_path)
    old = read_json(ROOT / "results/reference/miniature/headline.provenance.json")
    del old["notes"]
    write_json(tmp_path / "miniature/tables/headline.provenance.json", old)
    with pytest.raises(DataError, match="of an earlier version"):
        read_frame("headline", results=tmp_path)
