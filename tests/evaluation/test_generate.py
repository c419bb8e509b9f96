"""Answers say whether they ended; labels travel beside prose; exchanged pictures are those of other scenes."""

import shutil
from dataclasses import replace

import pytest
from group_case import make_run
from turns_case import TURNS

from gcl.data.encoding import Encoder
from gcl.data.scenario import Picture, Query, Turn
from gcl.errors import DataError
from gcl.evaluation.generate import answers, predictions
from gcl.experiment.data_spec import data_spec
from gcl.experiment.places import Places
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.preprocessor import load_preprocessor
from gcl.tasks.social_task import SocialTask, with_exchanged_pictures


@pytest.fixture(scope="module")
def member(backbones):
    source = Weights(path=str(backbones["qwen3_vl"]))
    return load_backbone(source), Encoder(load_preprocessor(source), "Be brief.")


def always(token: int):
    """Make a model say one token for ever: its head answers with that alone."""

    def process(ids, scores):
        scores[:] = float("-inf")
        scores[:, token] = 0.0
        return scores

    return process


@pytest.mark.parametrize(("end", "ended", "text"), [(True, True, ""), (False, False, "!!!!")])
def test_an_answer_says_whether_it_ended(member, scenarios, monkeypatch, end, ended, text):
    model, encoder = member
    token = encoder.end_token if end else encoder.answer("!")[0]
    generate = type(model).generate
    monkeypatch.setattr(
        type(model), "generate", lambda self, **k: generate(self, **k, logits_processor=[always(token)])
    )
    exchanges = [scenario.exchange("action") for scenario in scenarios[:2]]
    assert answers(model, encoder, exchanges, max_new_tokens=4) == [(text, ended)] * 2


def test_the_facts_of_a_question_travel_beside_its_answer(backbones, scenarios, tmp_path):
    spec = make_run(backbones)
    here = Places(spec.scale, tmp_path, tmp_path)
    for item in spec.members:
        shutil.copytree(item.start.path, here.checkpoints(spec.id) / item.role)
    asked = [
        Query(turn, "a", scenarios[0].exchange(turn), {"label": "Stop"} if turn == "action" else {}) for turn in TURNS
    ]
    records = list(predictions(spec, here, asked, batch_size=2, max_new_tokens=2))
    assert [(r["role"], r["turn"]) for r in records] == [(m.role, turn) for m in spec.members for turn in TURNS]
    assert {r["turn"] for r in records if r.get("label") == "Stop"} == {"action"}
    assert all(isinstance(r["ended"], bool) and r["reference"] for r in records)


def test_the_label_goes_with_the_turn_that_names_actions(experiment, scenarios, tmp_path):
    task = SocialTask(experiment.evaluation, data_spec(experiment, "muson"), tmp_path)
    prose = Turn("What to do?", "Wait until she has passed.")
    scene = replace(scenarios[0], turns={**scenarios[0].turns, "action": prose}, action="Stop")
    task.items = lambda split: [scene, replace(scenarios[1], action=None)]
    queries = task.queries("test", list(TURNS), "own")
    assert len(queries) == 2 * len(TURNS) and [q.turn for q in queries[:2]] == [TURNS[0]] * 2
    assert [(q.turn, q.id, q.facts) for q in queries if q.facts] == [("action", scene.id, {"label": "Stop"})]


def test_every_scene_gets_the_picture_of_another_and_keeps_its_words(scenarios):
    exchanged = with_exchanged_pictures(scenarios)
    assert sorted(s.pictures[0].path for s in exchanged) == sorted(s.pictures[0].path for s in scenarios)
    for before, after in zip(scenarios, exchanged, strict=True):
        assert replace(after, pictures=before.pictures) == before
        assert after.pictures_sha256 != before.pictures_sha256
    assert with_exchanged_pictures(scenarios) == exchanged


def test_all_pictures_of_a_scene_move_together_with_their_names(scenarios):
    """Frames overlap, so that neighbours share most of theirs."""
    frames = [scene.pictures[0].path for scene in scenarios]
    scenes = [
        replace(scene, pictures=tuple(Picture(path, f"{n} s before") for n, path in enumerate(frames[k : k + 3])))
        for k, scene in enumerate(scenarios[:8])
    ]
    moved = with_exchanged_pictures(scenes)
    assert [scene.pictures for scene in moved] == [scenes[(k + 4) % 8].pictures for k in range(8)]
    with pytest.raises(DataError, match="pictures cannot be exchanged"):
        with_exchanged_pictures([replace(scene, pictures=()) for scene in scenes])


def test_scenes_that_share_a_picture_do_not_get_it_back(scenarios, tmp_path):
    copy = tmp_path / "copy.png"
    shutil.copy(scenarios[0].pictures[0].path, copy)
    # By half of the scenes, the first would get its own picture under another name.
    shared = [replace(s, pictures=(Picture(copy),)) if k == 6 else s for k, s in enumerate(scenarios)]
    for before, after in zip(shared, with_exchanged_pictures(shared), strict=True):
        assert after.pictures_sha256 != before.pictures_sha256


@pytest.mark.parametrize("count", [1, 2])
def test_one_picture_for_all_cannot_be_exchanged(scenarios, count):
    same = [replace(scenario, pictures=scenarios[0].pictures) for scenario in scenarios[:count]]
    with pytest.raises(DataError, match="pictures cannot be exchanged"):
        with_exchanged_pictures(same)
