"""Raw folders for tests: a scenario as a line of scenarios.jsonl, and drawn data made by the importer."""

from pathlib import Path

from conftest import ROOT

from gcl.data.drawing.datasets import write_dataset
from gcl.data.importing.importer import import_source
from gcl.data.raw import scene_record
from gcl.experiment.data_spec import DataSpec


def raw_record(scenario, split: str) -> dict:
    """One line, with the picture under images/."""
    turns = {turn: (words.question, words.answer) for turn, words in scenario.turns.items()}
    return scene_record(scenario.id, [(f"images/{scenario.id}.png", None)], split, turns, scenario.action)


def draw_raw(data: DataSpec, counts: dict[str, int], seed: int, to: Path) -> None:
    """Draw a data set beside `to` and import it there."""
    source = to.with_name(f"{to.name}-source")
    write_dataset(data.name, counts, data.questions, seed, source)
    import_source(data.name, source, ROOT / f"workflow/mappings/{data.name}.yaml", to, data)
