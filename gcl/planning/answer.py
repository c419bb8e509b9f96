"""Let a member solve planning tasks: `answers(...)` gives what it says, `metrics(...)` what that is worth.

Answers are lines such as {"id": "maze-3-test-00001", "view": "image", "asked": "plan", "text": "Map: ..."}.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm
from transformers import PreTrainedModel

from gcl.data.encoding import Encoder
from gcl.errors import DataError
from gcl.evaluation.generate import answers as greedy
from gcl.planning.records import StateRecord
from gcl.planning.samples import planning, reading
from gcl.planning.scoring import Scored, rates, score_answer, score_reading
from gcl.planning.views import Form, View
from gcl.training.batches import chunks

Asked = Literal["plan", "reading"]


def answers(
    model: PreTrainedModel,
    encoder: Encoder,
    records: Sequence[StateRecord],
    pictures: Path,
    *,
    asked: Asked,
    view: View = "image",
    form: Form = "map, route, answer",
    batch_size: int,
    max_new_tokens: int,
) -> Iterator[dict[str, str]]:
    """Yield the greedy answer to each task: id, view, asked, text.

    Args:
        model, encoder: a member, from `gcl.evaluation.generate.load_member`.
        records: states of a test split.
        pictures: folder with `<id>.png` of each; not looked at by views in words.
        asked: for a plan, or for a reading of the picture.
        view: what of the task is shown.
        form: what a plan is asked for in.
        batch_size: questions per batch.
        max_new_tokens: longest answer.
    """
    with tqdm(total=len(records), desc=f"{asked} from {view}", unit="answer", mininterval=2) as bar:
        for batch in chunks(records, batch_size):
            exchanges = [
                reading(record, pictures) if asked == "reading" else planning(record, view, pictures, form)
                for record in batch
            ]
            for record, text in zip(batch, greedy(model, encoder, exchanges, max_new_tokens), strict=True):
                yield {"id": record.id, "view": view, "asked": asked, "text": text}
            bar.update(len(batch))


def metrics(records: Sequence[StateRecord], answers: Sequence[Mapping[str, str]], resamples: int) -> dict[str, Any]:
    """Rates with intervals, and every answer's scores.

    Args:
        records: the states that were asked about.
        answers: lines of `answers`, all of one view and kind, one for each state.
        resamples: of the bootstrap.

    Returns:
        view, asked, rates (see `gcl.planning.scoring.rates`), items.

    Raises:
        DataError: if an answer is missing, is for no state, or comes twice, or if kinds are mixed.
    """
    kinds = {(line["view"], line["asked"]) for line in answers}
    if len(kinds) != 1:
        raise DataError(f"answers of {len(kinds)} kinds in one file; score each view and question by itself")
    ((view, asked),) = kinds
    texts = {line["id"]: line["text"] for line in answers}
    ids = [record.id for record in records]
    if len(texts) < len(answers) or set(texts) != set(ids):
        different = sorted(set(texts) ^ set(ids))
        what = f"missing or unknown: {', '.join(different[:3])}" if different else "some states have two"
        raise DataError(f"the answers are not those of these states ({what}); generate them anew")
    score = score_answer if asked == "plan" else score_reading
    scored = [score(record, texts[record.id]) for record in records]
    return {"view": view, "asked": asked, "rates": rates(scored, resamples), "items": [_item(one) for one in scored]}


def _item(scored: Scored) -> dict[str, Any]:
    return {"id": scored.id, "task": scored.task, "level": scored.level, **scored.scores}
