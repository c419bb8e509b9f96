"""How much was forgotten: scores of reference answers token by token, and intervals over questions of unlike length."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from group_case import make_run
from hypothesis import given
from hypothesis import strategies as st

from gcl.data.encoding import Encoder, collate
from gcl.evaluation.bootstrap import mean_interval, per_token
from gcl.evaluation.forgetting import held_out_scores
from gcl.evaluation.generate import predictions
from gcl.evaluation.token_scores import token_scores
from gcl.experiment.places import Places
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.preprocessor import load_preprocessor


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def member(backbones, request):
    source = Weights(path=str(backbones[request.param]))
    return load_backbone(source), Encoder(load_preprocessor(source), "Be brief.")


@pytest.fixture(scope="module")
def questions(scenarios):
    """With pictures and without, short and long."""
    asked = [scene.exchange(turn) for scene in scenarios[:3] for turn in scene.turns]
    return [*asked, replace(asked[0], id="words", pictures=())]


def test_scores_are_those_of_the_models_own_loss(member, questions):
    model, encoder = member
    found = {record["held_out"]: record for record in token_scores(model, encoder, questions, batch_size=5)}
    assert set(found) == {question.id for question in questions}
    for question in questions:
        inputs = collate([encoder.sample(question)], encoder, left_padded=False)
        with torch.no_grad():
            said = model(**inputs)
        labels = inputs["labels"][0, 1:]
        answer = labels != -100
        record = found[question.id]
        assert record["tokens"] == int(answer.sum()) == len(encoder.answer(question.answer))
        assert record["cross_entropy"] == pytest.approx(float(said.loss) * record["tokens"], rel=1e-5)
        assert record["right"] == int((said.logits[0, :-1].argmax(-1) == labels)[answer].sum())


def test_batches_and_order_do_not_matter(member, questions):
    model, encoder = member
    one, other = (
        sorted(token_scores(model, encoder, asked, size), key=lambda record: record["held_out"])
        for asked, size in ((questions, 1), (questions[::-1], 7))
    )
    assert [(a["held_out"], a["tokens"], a["right"]) for a in one] == [
        (b["held_out"], b["tokens"], b["right"]) for b in other
    ]
    assert [a["cross_entropy"] for a in one] == pytest.approx([b["cross_entropy"] for b in other], rel=1e-5)


def test_every_member_is_asked_after_its_answers(backbones, scenarios, questions, tmp_path):
    spec = make_run(backbones)
    here = Places(spec.scale, tmp_path, tmp_path)
    for item in spec.members:
        shutil.copytree(item.start.path, here.checkpoints(spec.id) / item.role)
    records = list(predictions(spec, here, [], batch_size=4, max_new_tokens=2, held_out=questions))
    assert [record["role"] for record in records] == [m.role for m in spec.members for _ in questions]
    assert all("held_out" in record and "turn" not in record for record in records)


def test_means_are_over_tokens_and_items_keep_their_sums():
    records = [
        {"held_out": "b", "tokens": 30, "cross_entropy": 3.0, "right": 30},
        {"held_out": "a", "tokens": 10, "cross_entropy": 5.0, "right": 2},
    ]
    found = held_out_scores(records, resamples=50)
    assert found["summary"]["held_out_accuracy"]["mean"] == pytest.approx(32 / 40)
    assert found["summary"]["held_out_cross_entropy"]["mean"] == pytest.approx(8 / 40)
    assert found["items"][0] == {"id": "a", "tokens": 10, "cross_entropy": 5.0, "right": 2}


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 60)), min_size=1, max_size=30))
def test_scores_per_token_have_the_mean_over_all_tokens(questions):
    sums, tokens = zip(*questions, strict=True)
    scores = per_token(sums, tokens)
    assert math.isclose(np.mean(scores), sum(sums) / sum(tokens), rel_tol=1e-9, abs_tol=1e-9)


def test_equal_questions_of_unlike_length_have_no_scatter():
    """Plain products of sum and weight would scatter by the lengths alone."""
    tokens = [1, 5, 40, 3]
    assert per_token([0.5 * count for count in tokens], tokens) == pytest.approx([0.5] * 4)


def test_the_interval_is_that_of_the_ratio():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 60, 300)
    sums = tokens * rng.gamma(2.0, 0.2, 300)
    found = mean_interval(per_token(sums, tokens), 4000)
    draws = rng.integers(0, 300, (4000, 300))
    low, high = np.percentile(sums[draws].sum(1) / tokens[draws].sum(1), [2.5, 97.5])
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=0.02)
