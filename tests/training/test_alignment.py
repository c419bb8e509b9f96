"""Unlike tokenizers: the text of tokens, the positions at which texts agree, and trainings of such groups."""

import math
from unicodedata import normalize

import pytest
import torch
from conftest import tiny, write_backbone
from group_case import losses, make_run, train_scenes
from hypothesis import given
from hypothesis import strategies as st

from gcl.data.encoding import Encoder
from gcl.errors import CheckpointError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.weights import Weights
from gcl.models.preprocessor import load_preprocessor
from gcl.models.token_text import token_bytes
from gcl.objective.events import Events, Slice
from gcl.training.alignment import align

HARD = ["  two blanks", "a\n\n b", "Zürich, 12 m", "日本 🤖", "e\u0301 x", "don't <think> so", "1 2  3", " "]
UNLIKE = ("qwen3_vl", "smolvlm", "gemma3")


@pytest.fixture(scope="module")
def encoders(all_backbones) -> dict[str, Encoder]:
    return {
        name: Encoder(load_preprocessor(Weights(path=str(all_backbones[name]))), "Be brief.") for name in all_backbones
    }


def rows_of(*own: Encoder) -> list[int]:
    return [len(one.preprocessor.tokenizer) for one in own]


def text_of(encoder: Encoder, tokens) -> bytes:
    texts = token_bytes(encoder.preprocessor.tokenizer)
    return b"".join(texts[token] for token in tokens)


@pytest.mark.parametrize("family", UNLIKE)
@pytest.mark.parametrize("text", HARD)
def test_the_texts_of_an_answers_tokens_are_the_answer(encoders, family, text):
    own = encoders[family]
    written = normalize("NFC", text) if family == "qwen3_vl" else text  # as Qwen's tokenizer does
    assert text_of(own, own.answer(text)[:-1]).decode() == own.lead + written


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cn", "Co")), max_size=30))
def test_the_texts_of_any_answers_tokens_are_the_answer(encoders, text):
    """But for Qwen's normal form of composed characters."""
    for family in ("smolvlm", "gemma3"):
        own = encoders[family]
        assert text_of(own, own.answer(text)[:-1]).decode() == own.lead + text


@pytest.mark.parametrize("family", UNLIKE)
def test_special_tokens_have_no_text(encoders, family):
    tokenizer = encoders[family].preprocessor.tokenizer
    texts = token_bytes(tokenizer)
    assert all(texts[token] is None for token in tokenizer.all_special_ids)
    assert sum(text is not None for text in texts) > 300


def test_a_third_spelling_is_refused(encoders):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    with pytest.raises(CheckpointError, match="spelled neither as bytes nor as SentencePiece"):
        token_bytes(PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, "a"))))


def test_one_tokenizer_is_compared_by_leading_ids(encoders):
    own = [encoders["qwen2_5_vl"], encoders["qwen3_vl"], encoders["internvl"]]
    found = align(own, rows_of(*own))
    assert isinstance(found.compared, Slice) and found.texts is None
    assert found.compared.vocabulary == len(own[0].preprocessor.tokenizer)
    assert found.rows(own, [[[1, 2]], [[1, 2]], [[1, 2]]]) is None and found.positions(own, [[1, 2, 3]] * 3) == 3


def test_shared_tokens_mean_the_same_string(encoders):
    own = [encoders[name] for name in UNLIKE]
    found = align(own, rows_of(*own))
    assert isinstance(found.compared, Events) and found.compared.shared > 100
    for ids in zip(*(ids.tolist() for ids in found.compared.ids_KE), strict=True):
        if ids == tuple(one.end_token for one in own):
            continue
        assert len({texts[token] for texts, token in zip(found.texts, ids, strict=True)}) == 1
        special = [token in one.preprocessor.tokenizer.all_special_ids for one, token in zip(own, ids, strict=True)]
        assert not any(special)


@pytest.mark.parametrize(
    "text",
    [
        *(text for text in HARD if text == normalize("NFC", text)),
        "The robot should turn left, since a person comes from the right.",
        "Stop.",
    ],
)
def test_compared_rows_follow_the_same_text(encoders, text):
    own = [encoders[name] for name in UNLIKE]
    found = align(own, rows_of(*own))
    answers = [[one.answer("Go."), one.answer(text)] for one in own]
    rows = found.rows(own, answers)
    assert len({len(part) for part in rows}) == 1 and len(rows[0]) >= 2
    for places in zip(*(part.tolist() for part in rows), strict=True):
        before = []
        for one, two, place in zip(own, answers, places, strict=True):
            number, place = (0, place) if place < len(two[0]) else (1, place - len(two[0]))
            written = text_of(one, two[number][:place]).decode(errors="replace")
            assert written.startswith(one.lead)
            before.append((number, written.removeprefix(one.lead)))
        assert len(set(before)) == 1
    ends = [[len(two[0]) - 1, len(two[0]) + len(two[1]) - 1] for two in answers]
    assert all(set(end) <= set(part.tolist()) for end, part in zip(ends, rows, strict=True)), "where all is written"
    sizes = [found.positions(own, [two[k] for two in answers]) for k in (0, 1)]
    assert sum(sizes) == len(rows[0])


def test_texts_that_differ_are_compared_up_to_there(encoders):
    own = [encoders["qwen3_vl"], encoders["smolvlm"]]
    found = align(own, rows_of(*own))
    answers = [own[0].answer("Stop now."), own[1].answer("Stop here.")]
    rows = found.rows(own, [[tokens] for tokens in answers])
    for place, other in zip(*(part.tolist() for part in rows), strict=True):
        texts = text_of(own[0], answers[0][:place]), text_of(own[1], answers[1][:other]).removeprefix(b" ")
        assert texts[0] == texts[1] and b"Stop ".startswith(texts[0])


@pytest.mark.parametrize(
    "families",
    [("qwen3_vl", "internvl"), ("qwen3_vl", "smolvlm"), ("qwen2_5_vl", "gemma3"), ("qwen3_vl", "smolvlm", "gemma3")],
    ids="+".join,
)
def test_groups_of_several_families_train(all_backbones, scenarios, families, tmp_path):
    run = make_run(all_backbones, members=len(families), families=families, epochs=2)
    train_scenes(run, scenarios[:4], "data", ExecutionSpec(), tmp_path / "run", tmp_path / "scratch")
    first, *_, last = found = losses(tmp_path / "run")
    assert last["loss"] < first["loss"] and all(0 < line["drl"] < 2 * math.log(2) * 9 for line in found)
    unlike = families != ("qwen3_vl", "internvl")
    for role in ("learner", "guide", "third")[: len(families)]:
        assert (f"compared_tokens_{role}" in first) == unlike
        if unlike:
            assert 0.3 < first[f"compared_tokens_{role}"] <= 1 and 0 < first[f"compared_probability_{role}"] <= 1 + 1e-6
    weights = {"gsl": 0.5, "drl": 0.4}
    parts = {name: value for name, value in first.items() if name.startswith("sft_") or name in weights}
    assert first["loss"] == pytest.approx(sum(weights.get(name, 1.0) * value for name, value in parts.items()))


def test_micro_batches_and_workers_change_nothing(all_backbones, scenarios, tmp_path):
    """Without GSL, whose negatives come from one pass."""
    found = []
    for number, (micro, workers) in enumerate(((8, 0), (3, 0), (8, 2))):
        run = make_run(all_backbones, families=("qwen3_vl", "smolvlm"), gsl=0.0, micro=micro)
        folder = tmp_path / str(number)
        train_scenes(run, scenarios[:4], "data", ExecutionSpec(workers=workers), folder / "run", folder / "scratch")
        found.append(losses(folder / "run"))
    for one, other in ((0, 1), (0, 2)):
        for a, b in zip(found[one], found[other], strict=True):
            assert a.keys() == b.keys() and all(a[key] == pytest.approx(b[key], rel=2e-4, abs=1e-5) for key in a)
    assert found[0] == found[2]


def test_a_cached_teacher_of_another_tokenizer(all_backbones, scenarios, tmp_path):
    run = make_run(all_backbones, families=("qwen3_vl", "gemma3"), gsl=0.0, lr=(2e-3, 0.0, 0.0))
    found = []
    for name, teachers in (("there", None), ("cached", tmp_path / "teachers")):
        train_scenes(
            run,
            scenarios[:4],
            "data",
            ExecutionSpec(),
            tmp_path / name,
            tmp_path / f"{name}-scratch",
            teachers=teachers,
        )
        found.append(losses(tmp_path / name))
    for a, b in zip(*found, strict=True):
        assert a.keys() == b.keys() and all(a[key] == pytest.approx(b[key], rel=1e-5) for key in a)


def test_members_of_one_tokenizer_that_split_an_answer_differently_are_refused(
    all_backbones, corpus, scenarios, tmp_path
):
    from gcl.models.bpe import train_vocabulary

    words = train_vocabulary(corpus, 400)
    longer = {**words, "merges": words["merges"][:-1]}
    all_backbones = {**all_backbones, "qwen3_vl": write_backbone(tmp_path / "other", "qwen3_vl", longer, tiny())}
    text = max((token for token in words["vocab"]), key=words["vocab"].__getitem__).replace("Ġ", " ")
    scene = scenarios[0]
    turn = scene.turns["action"].__class__("What now?", f"It is{text} here.")
    from dataclasses import replace

    changed = replace(scene, turns={"action": turn})
    with pytest.raises(CheckpointError, match="do not share all tokens of the answer"):
        train_scenes(
            make_run(all_backbones), [changed], "data", ExecutionSpec(), tmp_path / "run", tmp_path / "scratch"
        )


def test_events_are_the_same_on_another_device(encoders):
    own = [encoders["qwen3_vl"], encoders["gemma3"]]
    events = align(own, rows_of(*own)).compared
    moved = events.to(torch.device("cpu"))
    assert all(a.equal(b) for a, b in zip(events.ids_KE, moved.ids_KE, strict=True))
