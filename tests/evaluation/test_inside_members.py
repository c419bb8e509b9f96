"""Inside a group: a token's divergence is a row of the loss. The weights are the semantic head's."""

import math
from dataclasses import replace

import events_reference
import objective_reference
import pytest
import torch
import torch.nn.functional as F
from group_case import make_run

from gcl.errors import CheckpointError
from gcl.evaluation.pooling import PARTS, pooling, pooling_weights
from gcl.evaluation.token_divergence import END, row_divergences, token_divergences, token_texts
from gcl.evaluation.trained_members import compared_rows, read, trained_members
from gcl.experiment.places import results_at
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.objective.gsl import SemanticHead
from gcl.training.alignment import align

EQUAL, UNLIKE = ("qwen2_5_vl", "qwen3_vl"), ("qwen3_vl", "smolvlm")
TEXTS = ["Slowly walk past on the right side.", "Zürich, 12 m: 日本 🤖!", ""]


def frozen_group(folders, families, heads=None):
    """Members that did not learn, so that their weights are those of the start."""
    run = make_run(folders, families=families, lr=(0.0, 0.0))
    members = trained_members(run, results_at("miniature"))
    for member in members:
        member.semantic_head = (heads or {}).get(member.spec.role)
    return run, members, align([m.encoder for m in members], [m.head_rows for m in members])


@pytest.fixture(scope="module", params=[EQUAL, UNLIKE], ids=["equal", "unlike"])
def group(request, all_backbones):
    return frozen_group(all_backbones, request.param)


def with_answer(scenario, text):
    return replace(scenario.exchange("action"), answer=text)


@pytest.mark.parametrize("text", TEXTS)
def test_the_divergence_of_a_token_is_its_row_of_the_loss(group, scenarios, text):
    run, members, alignment = group
    exchange = with_answer(scenarios[0], text)
    readings = [read(member, exchange) for member in members]
    tokens = token_divergences(members, readings, alignment, exchange, run.objective)
    values = [token.value for token in tokens if token.value is not None]
    rows = compared_rows(alignment, [member.encoder for member in members], exchange)
    compared = [None if alignment.texts is None else torch.tensor(own) for own in rows]
    outputs = [
        MemberOutput(r.output.hidden_ND, r.output.head_VD, r.output.labels_N, None, own)
        for r, own in zip(readings, compared, strict=True)
    ]
    counts = tuple(len(output.labels_N) for output in outputs)
    _, components = group_loss(
        outputs, [m.spec.tau for m in members], gsl_weight=0.0, drl_weight=0.4, kappa=1.0,
        compared=alignment.compared, share=Share(1.0, counts, len(rows[0])),
    )  # fmt: skip
    assert len(values) == len(rows[0]) and values
    assert sum(values) / len(values) == pytest.approx(float(components["drl"]), rel=1e-6)


def test_each_row_agrees_with_the_objective_in_float64(group, scenarios):
    run, members, alignment = group
    exchange = with_answer(scenarios[0], TEXTS[0])
    readings = [read(member, exchange) for member in members]
    rows, taus = compared_rows(alignment, [member.encoder for member in members], exchange), [3.0, 2.0]
    found = row_divergences(members, readings, alignment, rows, run.objective)
    logits = [
        (r.output.hidden_ND.double() @ r.output.head_VD.double().T)[own] for r, own in zip(readings, rows, strict=True)
    ]
    assert max(found) > 1e-3
    for row, value in enumerate(found):
        alone = [z[row : row + 1] for z in logits]
        if alignment.texts is None:
            size = alignment.compared.vocabulary
            expected = objective_reference.drl([z[:, :size].numpy() for z in alone], taus)
        else:
            events = alignment.compared
            expected = float(
                events_reference.divergence_between(
                    alone, taus, events.ids_KE, events.vocabularies, run.objective.divergence
                )
            )
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-9), row


def test_tokens_that_are_not_compared_have_no_value(all_backbones, scenarios):
    run, members, alignment = frozen_group(all_backbones, UNLIKE)
    exchange = scenarios[0].exchange("action")
    tokens = token_divergences(members, [read(m, exchange) for m in members], alignment, exchange, run.objective)
    rows = compared_rows(alignment, [member.encoder for member in members], exchange)[0]
    assert [row for row, token in enumerate(tokens) if token.value is not None] == sorted(rows)
    assert 0 < len(rows) < len(tokens)


@pytest.mark.parametrize("text", TEXTS)
def test_the_texts_of_tokens_are_the_answer(group, text):
    for member in group[1]:
        *texts, end = token_texts(member.encoder, member.encoder.answer(text))
        assert "".join(texts) == member.encoder.lead + text and end == END


@pytest.fixture(scope="module")
def pooled(all_backbones, scenarios):
    """Members with semantic heads that look at some tokens far more than at others, and their readings."""
    torch.manual_seed(0)
    heads = {role: SemanticHead(32, 16) for role in ("learner", "guide")}
    for head in heads.values():
        head.score.weight.data *= 5
    run, members, _ = frozen_group(all_backbones, EQUAL, heads)
    return run, members, [read(member, scenarios[0].exchange("action")) for member in members]


def test_weights_pool_to_the_vector_that_gsl_compares(pooled):
    for member, reading in zip(*pooled[1:], strict=True):
        weights_T = pooling_weights(member.semantic_head, reading.hidden_TD)
        assert float(weights_T.sum()) == pytest.approx(1) and float(weights_T.max()) > 2 / len(weights_T)
        pooled_D = weights_T @ reading.hidden_TD.double()
        projection = member.semantic_head.double().projection
        vector_E = F.normalize(projection(pooled_D), dim=-1)
        member.semantic_head.float()
        torch.testing.assert_close(vector_E.float(), reading.output.semantic_BE[0], rtol=1e-5, atol=1e-5)


def test_parts_and_maps_share_all_weights(pooled):
    """Of a picture of 140 x 84 pixels, a token of Qwen2.5-VL stands for 28 x 28, and one of Qwen3-VL for 32 x 32."""
    for member, reading, size in zip(*pooled[1:], [(3, 5), (3, 4)], strict=True):
        found = pooling(member, reading)
        assert list(found.parts) == list(PARTS)
        for place in (0, 1):
            assert sum(pair[place] for pair in found.parts.values()) == pytest.approx(1)
        (weights_HW,) = found.maps
        assert tuple(weights_HW.shape) == size
        assert float(weights_HW.sum()) == pytest.approx(found.parts["pictures"][0])
        assert math.fsum(w for _, w in found.words) == pytest.approx(1 - found.parts["pictures"][0])
        assert any("robot" in text for text, _ in found.words)


def test_a_picture_without_a_grid_has_no_map(all_backbones, scenarios):
    torch.manual_seed(0)
    heads = {role: SemanticHead(32, 16) for role in ("learner", "guide")}
    _, members, _ = frozen_group(all_backbones, ("qwen3_vl", "gemma3"), heads)
    found = pooling(members[1], read(members[1], scenarios[0].exchange("action")))
    assert found.maps == [None] and found.parts["pictures"][0] > 0


def test_missing_weights_are_named(backbones, tmp_path):
    run = make_run(backbones)
    with pytest.raises(
        CheckpointError, match=r"learner: no such folder; make it with: snakemake .*execution.retain: final"
    ):
        trained_members(run, results_at("miniature", tmp_path))
