"""Let a member solve planning tasks: `answers(*load_any(...), ...)`; gcl/planning/scoring.py says what these are worth.

Answers are lines such as {"id": "maze-3-test-00001", "view": "image", "asked": "plan", "text": "Map: ...", "ended": true}.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm
from transformers import PreTrainedModel

from gcl.data.encoding import Encoder, chunks
from gcl.evaluation.generate import answers as answers_to
from gcl.experiment.mgsd_schema import VIEWS, Question
from gcl.planning.states_file import StateRecord
from gcl.tasks.planning_samples import exchange


def answers(
    model: PreTrainedModel,
    encoder: Encoder,
    records: Sequence[StateRecord],
    pictures: Path,
    *,
    question: Question,
    batch_size: int,
    max_new_tokens: int,
) -> Iterator[dict[str, str | bool]]:
    """Yield the greedy answer to each task: id, view, asked, text, ended.

    Args:
        model, encoder: of who answers, from `gcl.evaluation.generate.load_any`.
        records: states of a test split.
        pictures: folder with `<id>.png` of each; not looked at by views in words.
        question: what is asked for.
        batch_size: questions per batch.
        max_new_tokens: longest answer.
    """
    asked, view = "reading" if question == "reading" else "plan", question if question in VIEWS else "image"
    with tqdm(total=len(records), desc=question, unit="answer", mininterval=2) as bar:
        for batch in chunks(records, batch_size):
            exchanges = [exchange(record, question, pictures) for record in batch]
            for record, answer in zip(batch, answers_to(model, encoder, exchanges, max_new_tokens), strict=True):
                yield {"id": record.id, "view": view, "asked": asked, **answer._asdict()}
            bar.update(len(batch))
