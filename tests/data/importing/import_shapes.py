"""Annotation files in the shapes of real downloads, all of the same three scenes: `SHAPES`, by name.

A shape has the files of a download and the outcome: the number of imported scenes, or the one-line error. The three pictures
are in images/, unless the shape moves them.
"""

# ruff: noqa: E501 (a shape a line, as far as possible)

import base64
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import datasets
from import_cases import ACTIONS, SPLITS, WORDINGS, answers, as_csv, as_json, as_jsonl, colour, questions, row, talk
from turns_case import TURNS

datasets.disable_progress_bars()
Files = dict[str, bytes]


class Shape(NamedTuple):
    """Files beside the pictures; scenes that an import finds, or the line with which they are no data; what else is done."""

    files: Files
    expected: int | str = 3
    notes: tuple[str, ...] = ()
    change: Callable[[Path], None] | None = None
    data_set: str | None = "muson"
    answers: Callable[[int], dict[str, str]] = answers


def png(number: int, format: str = "PNG", **options: Any) -> bytes:
    stream = BytesIO()
    colour(number).save(stream, format, **options)
    return stream.getvalue()


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def plain(number: int) -> dict[str, Any]:
    """A scene's picture and answers, without id and split."""
    return {"image": f"images/{number}.png", **answers(number)}


def asked(number: int, names: tuple[str, str] = ("question", "answer")) -> list[dict[str, str]]:
    return [
        dict(zip(names, pair, strict=True)) for pair in zip(WORDINGS.values(), answers(number).values(), strict=True)
    ]


def messages(
    number: int, role: str = "role", text: str = "content", roles: tuple[str, str] = ("user", "assistant")
) -> list[dict[str, Any]]:
    return [{role: who, text: said} for pair in asked(number) for who, said in zip(roles, pair.values(), strict=True)]


def spoken(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"s{number}", "image": f"images/{number}.png", **fields}


def each(make: Callable[[int], Any]) -> list[Any]:
    return [make(k) for k in range(3)]


def one_a_row(number: int, **fields: Any) -> list[dict[str, Any]]:
    """One question a row, with the turn's name in a column."""
    return [
        {"image": f"images/{number}.png", "category": turn, **pair, **fields}
        for turn, pair in zip(TURNS, asked(number), strict=True)
    ]


def flat(lists: list[list[Any]]) -> list[Any]:
    return [entry for entries in lists for entry in entries]


def single(number: int, **fields: Any) -> list[dict[str, Any]]:
    """One-round dialogues that share a picture."""
    return [
        {"id": f"{number}-{k}", "image": f"images/{number}.png", "conversations": [{"from": "human", "value": f"<image>\n{pair['question']}"}, {"from": "gpt", "value": pair["answer"]}], **fields}
        for k, pair in enumerate(asked(number))
    ]  # fmt: skip


def interleaved(rows: list[list[Any]]) -> list[Any]:
    """Rows of all scenes turn by turn, so that those of a scene are not side by side."""
    return [rows[k][turn] for turn in range(len(TURNS)) for k in range(3)]


def parquet(rows: list[dict[str, Any]], features: dict[str, Any] | None = None) -> bytes:
    table = datasets.Dataset.from_list(rows)
    for name, feature in (features or {}).items():
        table = table.cast_column(name, feature)
    stream = BytesIO()
    table.to_parquet(stream)
    return stream.getvalue()


def moved(to: str) -> Callable[[Path], None]:
    """Another name for the folder of the pictures."""

    def change(source: Path) -> None:
        (source / to).parent.mkdir(parents=True, exist_ok=True)
        (source / "images").rename(source / to)

    return change


def blanks(source: Path) -> None:
    for picture in sorted((source / "images").iterdir()):
        picture.rename(picture.with_name(f"my {picture.name}"))


def emptied(source: Path) -> None:
    for picture in (source / "images").iterdir():
        picture.unlink()


def pointers(source: Path) -> None:
    for picture in (source / "images").iterdir():
        picture.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")


def muson(source: Path) -> None:
    """MUSON's published tree: one folder of pictures called 000001.jpg and so on."""
    (source / "MUSON_images").mkdir()
    for k in range(3):
        (source / f"MUSON_images/{k + 1:06d}.jpg").write_bytes(png(k, "JPEG"))
        (source / f"images/{k}.png").unlink()
    (source / "images").rmdir()


def labelled(*words: str) -> list[dict[str, Any]]:
    """Rows with a label of the data's own beside the sentence."""
    return [plain(k) | {"id": f"s{k}", "action": f"Wait, number {k}.", "label": words[k]} for k in range(3)]


def by_label(number: int) -> dict[str, str]:
    return answers(number) | {"action": f"Wait, number {number}."}


def number_words(number: int) -> dict[str, str]:
    """The action as the mapping's CHOOSE, filled in order, says it."""
    return answers(number) | {"action": ("Move Forward", "Stop", "Move Forward")[number]}


URI = [f"data:image/png;base64,{base64.b64encode(png(k)).decode()}" for k in range(3)]
ROWS, TALKS = each(row), each(talk)
NOT_FETCHED = "an address, and nothing is fetched, like all 3 pictures; download the pictures and write their paths"
NOT_SO_MANY = f"instead of 5 ({', '.join(TURNS)}); correct the record, or name the turns by their wording"

TABLES: dict[str, Shape] = {
    "CSV": Shape({"a.csv": as_csv(ROWS)}),
    "TSV": Shape({"a.tsv": as_csv(ROWS, "\t")}),
    "CSV with other words": Shape({"a.csv": as_csv([{"Sample ID": f"s{k}", "Image Path": f"images/{k}.png", **{t.title(): a for t, a in answers(k).items()}} for k in range(3)])}),
    "CSV without ids": Shape({"a.csv": as_csv(each(plain))}),
    "CSV with numbered answers": Shape({"a.csv": as_csv([{"img": f"{k}.png", **{f"answer{n}": a for n, a in enumerate(answers(k).values(), 1)}} for k in range(3)])}),
    "CSV with numbered questions and answers": Shape({"a.csv": as_csv([{"img": f"{k}.png", **{f"{w}{n}": t for n, pair in enumerate(asked(k), 1) for w, t in zip("qa", pair.values(), strict=True)}} for k in range(3)])}),
    "CSV with columns of unknown names": Shape({"a.csv": as_csv([{"file": f"images/{k}.png", **{f"x{n}": a for n, a in enumerate(answers(k).values(), 1)}} for k in range(3)])}, data_set=None),
    "CSV with a validation split": Shape({"a.csv": as_csv([r | {"split": s} for r, s in zip(ROWS, ("train", "val", "test"), strict=True)])}),
    "CSV with only one split word": Shape({"a.csv": as_csv([r | {"split": "train"} for r in ROWS])}, notes=("records whose split is not read: 3",)),
    "CSV with columns nobody reads": Shape({"a.csv": as_csv([r | {"weather": "fine", "empty": ""} for r in ROWS])}, notes=("records whose weather is not read: 3",)),
    "CSV with void cells": Shape({"a.csv": as_csv([r | {"reasoning": "nan"} for r in ROWS])}, notes=("answers that only say nan, none, null or the like (a.csv:2 reasoning, a.csv:3 reasoning, a.csv:4 reasoning): 3",), answers=lambda k: answers(k) | {"reasoning": "nan"}),
    "JSON list": Shape({"a.json": as_json(ROWS)}),
    "JSONL": Shape({"a.jsonl": as_jsonl(ROWS)}),
    "JSONL called JSON": Shape({"a.json": as_jsonl(ROWS)}),
    "JSON list called JSONL": Shape({"a.jsonl": as_json(ROWS)}),
    "objects one after another": Shape({"a.json": b"\n".join(map(dumped, ROWS))}),
    "wrapped list": Shape({"a.json": dumped({"info": {"version": 1}, "data": ROWS})}),
    "list wrapped twice": Shape({"a.json": dumped({"MUSON": {"version": "1.0", "annotations": ROWS}})}),
    "wrapped by split": Shape({"a.json": dumped({"train": ROWS[:2], "test": ROWS[2:]})}, notes=("records whose split is not read: 3",)),
    "keyed by id": Shape({"a.json": dumped({f"s{k}": plain(k) for k in range(3)})}),
    "keyed by file name": Shape({"a.json": dumped({f"{k}.png": answers(k) for k in range(3)})}),
    "keyed by name without suffix": Shape({"a.json": dumped({f"{k}": answers(k) for k in range(3)})}),
    "keyed and wrapped": Shape({"a.json": dumped({"annotations": {f"{k}.png": answers(k) for k in range(3)}, "n": 3})}),
    "keyed by split and id": Shape({"a.json": dumped({"train": {f"s{k}": plain(k) for k in (0, 1)}, "test": {"s2": plain(2)}})}),
    "nested under annotation": Shape({"a.json": as_json([spoken(k, annotation=answers(k)) for k in range(3)])}),
    "nested and with more in it": Shape({"a.json": as_json([spoken(k, annotation=answers(k) | {"weather": "fine"}) for k in range(3)])}, notes=("records whose annotation.weather is not read: 3",)),
    "question and answer a turn": Shape({"a.json": as_json([spoken(k, **dict(zip(TURNS, asked(k), strict=True))) for k in range(3)])}),
    "question and answer a turn, nested": Shape({"a.json": as_json([spoken(k, turns=dict(zip(TURNS, asked(k), strict=True))) for k in range(3)])}),
    "lists of sentences": Shape({"a.json": as_json([spoken(k, **{t: [a] if t == "action" else [a, "So."] for t, a in answers(k).items()}) for k in range(3)])}, answers=lambda k: {t: a if t == "action" else f"{a} So." for t, a in answers(k).items()}),
    "lists of actions": Shape({"a.json": as_json([spoken(k, **answers(k) | {"action": ["Stop.", "Wait."]}) for k in range(3)])}, "a.json:2: action: several actions in a list; keep one"),
    "lists of actions in cells": Shape({"a.csv": as_csv([spoken(k, **answers(k) | {"action": '["Stop.", "Wait."]'}) for k in range(3)])}, "a.csv:2: action: several actions in a list; keep one"),
    "lists of labels": Shape({"a.json": as_json([r | {"action": f"Wait for number {k} to pass us before going on.", "label": ["Stop", "Move Forward"]} for k, r in enumerate(ROWS)])}, "a.json:2: label: several actions in a list; keep one"),
    "one JSON a picture": Shape({f"ann/{k}.json": dumped(plain(k)) for k in range(3)}),
    "one JSON a picture, told by its name": Shape({f"ann/{k}.json": dumped(answers(k)) for k in range(3)}),
    "one JSON a picture beside it": Shape({f"images/{k}.json": dumped(answers(k) | {"filename": f"{k}.png"}) for k in range(3)}),
    "columns as a data frame writes them": Shape({"a.json": dumped({name: {str(k): r[name] for k, r in enumerate(ROWS)} for name in ROWS[0]})}, "a.json: columns instead of records; write a record for each scene (orient='records')"),
    "Parquet with paths": Shape({"a.parquet": parquet(ROWS)}),
    "Parquet with pictures without a name": Shape({"a.parquet": parquet([answers(k) | {"image": {"bytes": png(k), "path": None}} for k in range(3)], {"image": datasets.Image()})}),
    "Parquet with named pictures": Shape({"a.parquet": parquet([answers(k) | {"image": {"bytes": png(k), "path": f"p{k}.png"}} for k in range(3)], {"image": datasets.Image()})}),
    "Parquet with a phone's pictures": Shape({"a.parquet": parquet([answers(k) | {"image": png(k, "MPO", save_all=True, append_images=[colour(k + 5)])} for k in range(3)])}),
    "shards by split": Shape({f"data/{s}-00000-of-00001.parquet": parquet([r for r in ROWS if r["split"] == s]) for s in ("train", "test")}, notes=("records whose split is not read: 3",)),
    "imagefolder with metadata.jsonl": Shape({f"{s}/metadata.jsonl": as_jsonl([answers(k) | {"file_name": f"{k}.png"} for k in range(3) if SPLITS[k] == s]) for s in ("train", "test")} | {f"{SPLITS[k]}/{k}.png": png(k) for k in range(3)}, change=emptied),
    "imagefolder with metadata.csv": Shape({"train/metadata.csv": as_csv([answers(k) | {"file_name": f"{k}.png"} for k in (0, 1)]), "test/metadata.csv": as_csv([answers(2) | {"file_name": "2.png"}])} | {f"{SPLITS[k]}/{k}.png": png(k) for k in range(3)}, change=emptied),
    "two copies of the data": Shape({"a.csv": as_csv(ROWS), "b.json": as_json(ROWS)}),
}  # fmt: skip

ACTION_WORDS: dict[str, Shape] = {
    "whole numbers as actions": Shape({"a.json": as_json([plain(k) | {"action": k} for k in range(3)])}, notes=("answers written as actions in the mapping says: 3",), answers=number_words),
    "whole numbers as actions in Parquet": Shape({"a.parquet": parquet([plain(k) | {"action": k} for k in range(3)])}, notes=("answers written as actions in the mapping says: 3",), answers=number_words),
    "action in an object": Shape({"a.json": as_json([plain(k) | {"action": {"label": answers(k)["action"], "confidence": 0.9}} for k in range(3)])}, notes=("records whose action.confidence is not read: 3",)),
    "labels with underscores": Shape({"a.json": as_json(labelled("move_forward", "stop", "MOVE_FORWARD"))}, answers=by_label),
    "labels with a wide full stop": Shape({"a.json": as_json(labelled("Move Forward。", "Stop。", "Stop"))}, answers=by_label),
    "labels nearly so called": Shape({"a.json": as_json(labelled("move forwards", "Stop", "Stop"))}, answers=by_label),
    "labels by number": Shape({"a.json": as_json(labelled(*map(str, range(3))))}, answers=by_label),
    "labels as whole numbers": Shape({"a.json": as_json([r | {"label": k} for k, r in enumerate(labelled("", "", ""))])}, answers=by_label),
    "labels of other words": Shape({"a.json": as_json(labelled("FWD", "HALT", "FWD"))}, answers=by_label),
    "answers by number": Shape({"a.json": as_json([plain(k) | {"action": str(k)} for k in range(3)])}, notes=("answers written as actions in the mapping says: 3",), answers=number_words),
    "sentences that name an action": Shape({"a.json": as_json([plain(k) | {"action": f"Please {answers(k)['action'].lower()} now."} for k in range(3)])}, answers=lambda k: answers(k) | {"action": f"Please {answers(k)['action'].lower()} now."}),
    "a label called action beside prose": Shape({"a.json": as_json([plain(k) | {"action_text": f"Wait, number {k}, since she has not passed."} for k in range(3)])}, answers=lambda k: answers(k) | {"action": f"Wait, number {k}, since she has not passed."}),
    "sentences that name none": Shape({"a.json": as_json([plain(k) | {"action": f"Wait until number {k} of them has passed, then go."} for k in range(3)])}, "a.json:2: action: unknown action 'Wait until number 0 of them has passed, then go.'; use one of Move Forward, Stop, or add a label"),
}  # fmt: skip

QUESTIONS: dict[str, Shape] = {
    "answers called gt_answer": Shape({"a.csv": as_csv(flat([[{("gt_answer" if n == "answer" else n): v for n, v in q.items()} for q in one_a_row(k)] for k in range(3)]))}),
    "answers called gt": Shape({"a.csv": as_csv(flat([[{("gt" if n == "answer" else n): v for n, v in q.items()} for q in one_a_row(k)] for k in range(3)]))}),
    "answers called ground_truth": Shape({"a.csv": as_csv(flat([[{("ground_truth" if n == "answer" else n): v for n, v in q.items()} for q in one_a_row(k)] for k in range(3)]))}),
    "answers called reference": Shape({"a.csv": as_csv(flat([[{("reference" if n == "answer" else n): v for n, v in q.items()} for q in one_a_row(k)] for k in range(3)]))}),
    "answers called answer_text": Shape({"a.csv": as_csv(flat([[{("answer_text" if n == "answer" else n): v for n, v in q.items()} for q in one_a_row(k)] for k in range(3)]))}),
    "answers called label": Shape({"a.csv": as_csv(flat([[{("label" if n == "answer" else n): v for n, v in q.items()} for q in one_a_row(k)] for k in range(3)]))}),
    "ESocialNav's questions": Shape({"a.jsonl": as_jsonl(flat(each(questions)))}),
    "one question a row with a category": Shape({"a.csv": as_csv(flat(each(one_a_row)))}),
    "one question a row, not side by side": Shape({"a.csv": as_csv(interleaved(each(one_a_row)))}),
    "one question a row with a scene's id": Shape({"a.csv": as_csv(flat([one_a_row(k, scene_id=f"s{k}") for k in range(3)]))}),
    "one question a row with more categories": Shape({"a.jsonl": as_jsonl(flat([[*one_a_row(k), {"image": f"images/{k}.png", "category": "weather", "question": "Is it fine?", "answer": "Yes."}] for k in range(3)]))}, notes=("questions left out, as the mapping does not use them: 3",)),
    "one question a row told by wording": Shape({"a.jsonl": as_jsonl(flat([[{"image": f"images/{k}.png", **p} for p in asked(k)] for k in range(3)]))}),
    "one question a row in other wordings": Shape({"a.jsonl": as_jsonl(flat([[{"image": f"images/{k}.png", "question": f"{p['question']} ({k})", "answer": p["answer"]} for p in asked(k)] for k in range(3)]))}),
    "one question a row as query and response": Shape({"a.jsonl": as_jsonl(flat([[{"images": [f"images/{k}.png"], **p} for p in asked(k, ("query", "response"))] for k in range(3)]))}),
    "one question a row as instruction and output": Shape({"a.json": as_json(flat([[{"images": [f"images/{k}.png"], "input": "", **p} for p in asked(k, ("instruction", "output"))] for k in range(3)]))}),
    "one question a row in Parquet with nameless pictures": Shape({"a.parquet": parquet([r | {"image": {"bytes": png(k), "path": None}} for k in range(3) for r in one_a_row(k)], {"image": datasets.Image()})}),
    "one file a turn": Shape({f"{turn}.jsonl": as_jsonl([{"image": f"images/{k}.png", **asked(k)[n]} for k in range(3)]) for n, turn in enumerate(TURNS)}),
    "four questions a picture": Shape({"a.csv": as_csv(flat([one_a_row(k)[:4] for k in range(3)]))}, f"a.csv:2: 4 rounds {NOT_SO_MANY}"),
    "several questions a turn": Shape({"a.csv": as_csv(flat([one_a_row(k) + one_a_row(k) for k in range(3)]))}, "a.csv:7: a second question on perception; keep one"),
    "questions without answers": Shape({"a.jsonl": as_jsonl([{n: v for n, v in q.items() if n != "answer"} for k in range(3) for q in questions(k)])}, "a.jsonl: questions without answers, which can only say which scenes are for the test"),
    "answers of a model": Shape({"a.jsonl": as_jsonl([{"question_id": q["question_id"], "prompt": q["text"], "text": q["answer"], "answer_id": "x", "model_id": "m", "metadata": {}} for k in range(3) for q in questions(k)])}, "a.jsonl: answers of a model (answer_id, model_id), no data; name the folder of the data set"),
}  # fmt: skip


def in_parts(number: int, picture: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages of parts, the first with a picture."""
    said = messages(number)
    for message in said:
        message["content"] = [{"type": "text", "text": message["content"]}]
    said[0]["content"].insert(0, picture)
    return said


DIALOGUES: dict[str, Shape] = {
    "answers under their questions": Shape({"a.json": as_json([spoken(k, vqa={pair["question"]: pair["answer"] for pair in asked(k)}) for k in range(3)])}),
    "LLaVA": Shape({"a.json": as_json(TALKS)}),
    "LLaVA with a picture mark in every question": Shape({"a.json": as_json([spoken(k, conversations=[{"from": m["from"], "value": f"<image>\n{m['value']}" if m["from"] == "human" else m["value"]} for m in messages(k, "from", "value", ("human", "gpt"))]) for k in range(3)])}, notes=("picture marks taken off later questions: 12",)),
    "LLaVA with a system key": Shape({"a.json": as_json([t | {"system": "Be kind.", "video": "v.mp4"} for t in TALKS])}, notes=("records whose system is not read: 3", "records whose video is not read: 3")),
    "Qwen-VL, the picture in the text": Shape({"a.json": as_json([{"id": f"s{k}", "conversations": [{"from": "user", "value": f"Picture 1: <img>images/{k}.png</img>\n{WORDINGS['perception']}"}, *messages(k, "from", "value", ("user", "assistant"))[1:]]} for k in range(3)])}),
    "Qwen's messages with a picture part": Shape({"a.json": as_json([{"messages": in_parts(k, {"type": "image", "image": f"images/{k}.png"})} for k in range(3)])}),
    "OpenAI's messages with a data URI": Shape({"a.jsonl": as_jsonl([{"messages": in_parts(k, {"type": "image_url", "image_url": {"url": URI[k]}})} for k in range(3)])}),
    "messages with an address": Shape({"a.jsonl": as_jsonl([{"messages": in_parts(k, {"type": "image_url", "image_url": {"url": f"https://example.org/{k}.png"}})} for k in range(3)])}, f"a.jsonl:1: image: 'https://example.org/0.png': {NOT_FETCHED}"),
    "TRL's messages and images": Shape({"a.parquet": parquet([{"messages": in_parts(k, {"type": "image", "text": None}), "images": [{"bytes": png(k), "path": None}]} for k in range(3)], {"images": [datasets.Image()]})}),
    "TRL's prompt and completion": Shape({"a.jsonl": as_jsonl([{"image": f"images/{k}.png", "prompt": messages(k)[:-1], "completion": messages(k)[-1:]} for k in range(3)])}),
    "TRL's prompt, chosen and rejected": Shape({"a.jsonl": as_jsonl([{"image": f"images/{k}.png", "prompt": messages(k)[:-1], "chosen": messages(k)[-1:], "rejected": [{"role": "assistant", "content": "No."}]} for k in range(3)])}),
    "LLaMA-Factory's messages": Shape({"a.json": as_json([{"messages": messages(k), "images": [f"images/{k}.png"]} for k in range(3)])}),
    "LLaMA-Factory's preferences": Shape({"a.json": as_json([{"images": [f"images/{k}.png"], "conversations": messages(k, "from", "value", ("human", "gpt"))[:-1], "chosen": messages(k, "from", "value", ("human", "gpt"))[-1], "rejected": {"from": "gpt", "value": "No."}} for k in range(3)])}),
    "ms-swift's query, response and history": Shape({"a.jsonl": as_jsonl([{"images": [f"images/{k}.png"], "query": asked(k)[4]["question"], "response": asked(k)[4]["answer"], "history": [list(p.values()) for p in asked(k)[:4]]} for k in range(3)])}),
    "ESocialNav's preferences": Shape({"a.json": as_json([spoken(k, turns=[{"human": p["question"], "chosen": p["answer"], "rejected": "No."} for p in asked(k)]) for k in range(3)])}, notes=("rejected answers left out: 15",)),
    "pairs under qa_pairs": Shape({"a.json": as_json([spoken(k, qa_pairs=asked(k)) for k in range(3)])}),
    "pairs under a name of their own": Shape({"a.json": as_json([spoken(k, vqa=[{"Question": p["question"], "Answer": p["answer"]} for p in asked(k)]) for k in range(3)])}),
    "dialogues with text and Human": Shape({"a.json": as_json([spoken(k, conversation=messages(k, "role", "text", ("Human", "Bot"))) for k in range(3)])}),
    "dialogues of user and model": Shape({"a.json": as_json([spoken(k, messages=messages(k, "role", "content", ("user", "model"))) for k in range(3)])}),
    "dialogues as JSON in a cell": Shape({"a.csv": as_csv([{"image": f"images/{k}.png", "conversations": json.dumps(messages(k, "from", "value", ("human", "gpt")))} for k in range(3)])}),
    "dialogues as Python writes them in a cell": Shape({"a.csv": as_csv([{"image": f"images/{k}.png", "messages": repr(messages(k))} for k in range(3)])}),
    "dialogues with sample_id and image_path": Shape({"a.json": as_json([{"sample_id": f"s{k}", "image_path": f"images/{k}.png", "conversations": messages(k, "from", "value", ("human", "gpt"))} for k in range(3)])}),
    "nested dialogues": Shape({"a.json": as_json([spoken(k, annotation={"dialogue": messages(k)}) for k in range(3)])}),
    "dialogues keyed by file name": Shape({"a.json": dumped({f"{k}.png": asked(k) for k in range(3)})}),
    "dialogues in wrapped JSON": Shape({"a.json": dumped({"data": TALKS})}),
    "dialogues by split": Shape({"train.json": as_json(TALKS[:2]), "test.json": as_json(TALKS[2:])}),
    "one round each, the picture shared": Shape({"a.json": as_json(flat(each(single)))}),
    "one round each, not side by side": Shape({"a.json": as_json(interleaved(each(single)))}),
    "one round each with a turn's name": Shape({"a.json": as_json(flat([[s | {"category": t} for s, t in zip(single(k), TURNS, strict=True)] for k in range(3)]))}),
    "one round a picture": Shape({"a.json": as_json([single(k)[0] for k in range(3)])}, f"a.json:2: 1 round {NOT_SO_MANY}"),
    "three rounds": Shape({"a.json": as_json([spoken(k, conversations=messages(k, "from", "value", ("human", "gpt"))[:6]) for k in range(3)])}, f"a.json:2: 3 rounds {NOT_SO_MANY}"),
    "six rounds of known wordings": Shape({"a.json": as_json([spoken(k, conversations=[*messages(k, "from", "value", ("human", "gpt")), {"from": "human", "value": "Fine?"}, {"from": "gpt", "value": "Yes."}]) for k in range(3)])}, notes=("questions left out, as the mapping does not use them: 3",)),
    "twenty rounds of other wordings": Shape({"a.json": as_json([spoken(k, conversations=[{"from": w, "value": f"{w} {k} {n}"} for n in range(20) for w in ("human", "gpt")]) for k in range(3)])}, f"a.json:2: 20 rounds {NOT_SO_MANY}"),
    "two pictures a record": Shape({"a.json": as_json([t | {"image": [f"images/{k}.png", f"images/{(k + 1) % 3}.png"]} for k, t in enumerate(TALKS)])}, notes=("records of which one picture of several is used: 3",)),
    "the same picture twice": Shape({"a.json": as_json([t | {"image": [t["image"], t["image"]]} for t in TALKS])}),
    "five files that overlap": Shape({f"snei_{n}_base.json": as_json(TALKS) for n in ("pretrain", "finetune", "train")} | {f"snei_train_base_dpo{n}.json": as_json([spoken(k, turns=[{"human": p["question"], "chosen": p["answer"], "rejected": "No."} for p in asked(k)]) for k in range(3)]) for n in ("", ".split.action")}),
    "questions beside that name the test": Shape({"all.json": as_json(TALKS), "eval.jsonl": as_jsonl([{n: v for n, v in q.items() if n != "answer"} for q in questions(2)])}),
}  # fmt: skip

PLACES: dict[str, Shape] = {
    "absolute paths of another computer": Shape({"a.json": as_json([r | {"image": f"/home/user/data/images/{k}.png"} for k, r in enumerate(ROWS)])}),
    "paths of Windows": Shape({"a.json": as_json([r | {"image": f"C:\\data\\images\\{k}.png"} for k, r in enumerate(ROWS)])}),
    "relative paths with backslashes": Shape({"a.json": as_json([r | {"image": f"images\\{k}.png"} for k, r in enumerate(ROWS)])}),
    "file addresses": Shape({"a.json": as_json([r | {"image": f"file:///data/my%20scenes/{k}.png"} for k, r in enumerate(ROWS)])}),
    "a folder in front": Shape({"a.json": as_json([r | {"image": f"MUSON/images/{k}.png"} for k, r in enumerate(ROWS)])}),
    "several folders in front": Shape({"a.json": as_json([r | {"image": f"run{k}/{k}.png"} for k, r in enumerate(ROWS)])}),
    "names alone": Shape({"a.json": as_json([r | {"image": f"{k}.png"} for k, r in enumerate(ROWS)])}),
    "names without suffix": Shape({"a.json": as_json([r | {"image": f"{k}"} for k, r in enumerate(ROWS)])}),
    "base64 in the field": Shape({"a.jsonl": as_jsonl([r | {"image": base64.b64encode(png(k)).decode()} for k, r in enumerate(ROWS)])}),
    "object with a path": Shape({"a.jsonl": as_jsonl([r | {"image": {"path": r["image"]}} for r in ROWS])}),
    "pictures deeper down": Shape({"a.json": as_json([r | {"image": f"images/{k}.png"} for k, r in enumerate(ROWS)])}, change=moved("data/v1/images")),
    "addresses in messages of one round": Shape({"a.jsonl": as_jsonl([{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"https://x.org/{k}.png"}}, {"type": "text", "text": "What do you see?"}]}, {"role": "assistant", "content": "x"}]} for k in range(3)])}, f"a.jsonl:1: image: 'https://x.org/0.png': {NOT_FETCHED}"),
    "addresses in the field": Shape({"a.json": as_json([r | {"image": f"s3://bucket/{k}.png"} for k, r in enumerate(ROWS)])}, f"a.json:2: image: 's3://bucket/0.png': {NOT_FETCHED}"),
    "pointers of Git LFS": Shape({"a.json": as_json(ROWS)}, "a.json:2: image: 'images/0.png': a Git LFS pointer instead of the picture, like all 3 pictures; run `git lfs pull` in the download", change=pointers),
    "annotations as a pointer of Git LFS": Shape({"a.json": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"}, "a.json: a Git LFS pointer instead of the file; run `git lfs pull` in the download"),
    "pictures still packed": Shape({"a.json": as_json(ROWS), "images.zip": b"PK\3\4"}, "a.json:2: image: 'images/0.png': no such file, like all 3 pictures; unpack them first: unzip images.zip", change=emptied),
    "pictures not there": Shape({"a.json": as_json(ROWS)}, "a.json:2: image: 'images/0.png': no such file, like all 3 pictures; put the pictures into the download", change=emptied),
    "pictures with other letter case": Shape({"a.json": as_json([r | {"image": f"Images/{k}.PNG"} for k, r in enumerate(ROWS)])}, "a.json:2: image: 'Images/0.PNG': no such file, like all 3 pictures; images/0.png is there: its letter case differs; rename the pictures, or correct the paths in the data"),
    "pictures with another suffix": Shape({"a.json": as_json([r | {"image": f"images/{k}.jpg"} for k, r in enumerate(ROWS)])}, "a.json:2: image: 'images/0.jpg': no such file, like all 3 pictures; images/0.png is there: its suffix differs; rename the pictures, or correct the paths in the data"),
    "pictures with a blank for %20": Shape({"a.json": as_json([r | {"image": f"images/my%20{k}.png"} for k, r in enumerate(ROWS)])}, "a.json:2: image: 'images/my%200.png': no such file, like all 3 pictures; images/my 0.png is there: its name has no % signs; rename the pictures, or correct the paths in the data", change=blanks),
    "no pictures named": Shape({"a.json": as_json([answers(k) for k in range(3)])}, "a.json: no field names a picture (there are: perception, prediction, reasoning, action, explanation); scenes need a picture and 5 turns"),
    "broken JSON": Shape({"a.json": b"{"}, "a.json:1: not valid JSON: Expecting property name enclosed in double quotes at column 2; correct it"),
}  # fmt: skip


def of_muson(number: int) -> str:
    return f"{number + 1:06d}"


MUSON: dict[str, Shape] = {
    "MUSON as a list": Shape({"MUSON_Annotations.json": dumped([{"image": f"{of_muson(k)}.jpg", **answers(k)} for k in range(3)])}, change=muson),
    "MUSON as a list with a folder in front": Shape({"MUSON_Annotations.json": dumped([{"id": k, "image": f"MUSON_images/{of_muson(k)}.jpg", **answers(k)} for k in range(3)])}, change=muson),
    "MUSON wrapped": Shape({"MUSON_Annotations.json": dumped({"dataset": "MUSON", "scenes": [{"image": f"./MUSON/MUSON_images/{of_muson(k)}.jpg", **answers(k)} for k in range(3)]})}, change=muson),
    "MUSON by file name": Shape({"MUSON_Annotations.json": dumped({f"{of_muson(k)}.jpg": answers(k) for k in range(3)})}, change=muson),
    "MUSON by number": Shape({"MUSON_Annotations.json": dumped({of_muson(k): answers(k) for k in range(3)})}, change=muson),
    "MUSON nested": Shape({"MUSON_Annotations.json": dumped([{"image_id": of_muson(k), "annotation": {t: {"question": WORDINGS[t], "answer": a} for t, a in answers(k).items()}} for k in range(3)])}, change=muson),
    "MUSON as JSONL": Shape({"MUSON_Annotations.json": as_jsonl([{"image": f"{of_muson(k)}.jpg", **answers(k)} for k in range(3)])}, change=muson),
    "MUSON as dialogues": Shape({"MUSON_Annotations.json": dumped([{"image": f"{of_muson(k)}.jpg", "conversations": messages(k, "from", "value", ("human", "gpt"))} for k in range(3)])}, change=muson),
    "MUSON by number with pairs": Shape({"MUSON_Annotations.json": dumped({of_muson(k): {"qa": asked(k)} for k in range(3)})}, change=muson),
    "MUSON with action words of its own": Shape({"MUSON_Annotations.json": dumped([{"image": f"{of_muson(k)}.jpg", **by_label(k), "action_label": ("FORWARD", "STOP", "FORWARD")[k]} for k in range(3)])}, change=muson, answers=by_label),
}  # fmt: skip
GROUPS = (TABLES, ACTION_WORDS, QUESTIONS, DIALOGUES, PLACES, MUSON)
SHAPES: dict[str, Shape] = {name: shape for group in GROUPS for name, shape in group.items()}
KNOWN_ACTIONS = ACTIONS
