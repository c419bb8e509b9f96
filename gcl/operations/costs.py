"""Costs of finished runs: `read_records(results, scale)`, and `write_costs(results, scale, stem)` for `gcl report costs`.

Records are results/<scale>/records/<run id>.json. Two identical runs have different records, but the same metrics.
"""

import csv
import io
from pathlib import Path
from typing import Any

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.files import read_json, write_text

COLUMNS = ("run", "gpu_hours", "hours", "attempts", "gpus", "peak_gpu_gib", "peak_memory_gib", "nodes", "jobs")


def read_records(results: Path, scale: str) -> dict[str, dict[str, Any]]:
    """Records of all finished runs of a scale, by run id."""
    paths = sorted(results_at(scale, results).records.rglob("*.json"))
    records = [read_json(path) for path in paths]
    return {record["run"]: record for record in records if "costs" in record}


def write_costs(results: Path, scale: str, stem: Path) -> None:
    """Write `stem`.csv and `stem`.md: a row for each finished run, and the sum.

    Raises:
        DataError: if no run of this scale is finished.
    """
    records = read_records(results, scale)
    if not records:
        raise DataError(f"{results / scale / 'records'}: no finished run; train something first")
    rows = [_row(record) for record in records.values()]
    total = dict.fromkeys(COLUMNS, "") | {
        "run": f"all {len(rows)}",
        "gpu_hours": round(sum(row["gpu_hours"] for row in rows), 2),
        "hours": round(sum(row["hours"] for row in rows), 2),
    }
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(f"{stem}.csv", text.getvalue())
    lines = [_line(COLUMNS), _line(":--" if name in ("run", "nodes", "jobs") else "--:" for name in COLUMNS)]
    lines += [_line(str(row[name]) for name in COLUMNS) for row in [*rows, total]]
    write_text(f"{stem}.md", "\n".join(lines) + "\n")


def _row(record: dict[str, Any]) -> dict[str, Any]:
    costs = record["costs"]
    attempts = costs["attempts"]
    return {
        "run": record["run"],
        "gpu_hours": round(costs["gpu_hours"], 2),
        "hours": round(costs["seconds"] / 3600, 3),
        "attempts": len(attempts),
        "gpus": attempts[-1]["gpus"],
        "peak_gpu_gib": round(costs["peak_gpu_memory_mib"] / 1024, 1),
        "peak_memory_gib": round(costs["peak_memory_mib"] / 1024, 1),
        "nodes": " ".join(sorted({attempt["node"] for attempt in attempts})),
        "jobs": " ".join(dict.fromkeys(attempt["job"] for attempt in attempts if attempt["job"])),
    }


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"
