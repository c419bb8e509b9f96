"""The context of a question: nothing, earlier questions, or the dialogue before it with a member's own or given answers."""

import shutil

import pytest
from group_case import make_run
from turns_case import TURNS

import gcl.evaluation.generate as module
from gcl.data.scenario import Query, Turn
from gcl.evaluation.generate import Answer, predictions
from gcl.experiment.data_spec import data_spec
from gcl.experiment.places import Places
from gcl.tasks.social_task import SocialTask


def test_a_question_says_as_much_of_those_before_it_as_is_asked_for(scenarios):
    scene = scenarios[0]
    first, second, third = (scene.turns[turn] for turn in TURNS[:3])
    assert scene.exchange(TURNS[2]) == scene.exchange(TURNS[2], "none")
    assert scene.exchange(TURNS[2]).question == third.question and not scene.exchange(TURNS[2]).earlier
    told = scene.exchange(TURNS[2], "questions")
    assert told.question == f"Asked before:\n{first.question}\n{second.question}\nAsked now: {third.question}"
    assert (told.answer, told.earlier) == (third.answer, ())
    full = scene.exchange(TURNS[2], "full")
    assert (full.question, full.answer, full.earlier) == (third.question, third.answer, (first, second))
    for context in ("questions", "full"):
        assert scene.exchange(TURNS[0], context) == scene.exchange(TURNS[0])


@pytest.fixture
def task(experiment, scenarios, tmp_path) -> SocialTask:
    found = SocialTask(experiment.evaluation, data_spec(experiment, "snei"), tmp_path, "full")
    found.items = lambda split: scenarios[:3]
    return found


@pytest.fixture
def members(backbones, tmp_path):
    """A run of two members, whose checkpoints are their starts."""
    spec = make_run(backbones)
    here = Places(spec.scale, tmp_path, tmp_path)
    for item in spec.members:
        shutil.copytree(item.start.path, here.checkpoints(spec.id) / item.role)
    return spec, here


@pytest.fixture
def asked(monkeypatch) -> list[list]:
    """The batches of questions; every answer is new."""
    batches = []

    def say(model, encoder, exchanges, max_new_tokens):
        batches.append(exchanges)
        return [Answer(f"answer {len(batches)}.{k} to {e.id}", True) for k, e in enumerate(exchanges)]

    monkeypatch.setattr(module, "answers", say)
    return batches


def test_a_member_reads_the_answers_that_it_has_given(members, task, asked):
    queries = task.queries("test", list(TURNS), "own")
    records = list(predictions(*members, queries, batch_size=2, max_new_tokens=2, earlier="own"))
    said = {(r["role"], r["id"], r["turn"]): r["text"] for r in records}
    assert len(said) == 2 * 3 * len(TURNS) == len(records)
    for record in records:
        before = TURNS[: TURNS.index(record["turn"])]
        assert [answer for _, answer in record.get("earlier", [])] == [
            said[record["role"], record["id"], turn] for turn in before
        ]
        scene = next(scene for scene in task.items("test") if scene.id == record["id"])
        assert [question for question, _ in record.get("earlier", [])] == [scene.turns[t].question for t in before]
        assert ("earlier" in record) == bool(before)
    # A batch of two turns would need an answer that is not there yet.
    assert [len(batch) for batch in asked] == [2, 1] * 2 * len(TURNS)
    assert all(len({len(exchange.earlier) for exchange in batch}) == 1 for batch in asked)


def test_or_the_reference_answers(members, task, asked):
    queries = task.queries("test", list(TURNS), "own")
    records = list(predictions(*members, queries, batch_size=2, max_new_tokens=2, earlier="reference"))
    for record in records:
        scene = next(scene for scene in task.items("test") if scene.id == record["id"])
        before = [scene.turns[turn] for turn in TURNS[: TURNS.index(record["turn"])]]
        assert record.get("earlier", []) == [[turn.question, turn.answer] for turn in before]


def test_without_a_context_batches_and_records_are_as_ever(members, scenarios, asked):
    queries = [Query(turn, scene.id, scene.exchange(turn)) for turn in TURNS for scene in scenarios[:3]]
    records = list(predictions(*members, queries, batch_size=2, max_new_tokens=2))
    assert [len(batch) for batch in asked] == [2] * 7 + [1] + [2] * 7 + [1]
    assert {tuple(record) for record in records} == {("role", "turn", "id", "question", "reference", "text", "ended")}


def test_the_answers_before_decide_what_a_real_member_says_next(members, scenarios):
    """No stand-in here: the texts are the member's own."""
    scene = scenarios[0]
    one = Query("b", "x", scene.exchange(TURNS[1], "full"), earlier=("a",))
    whole = [Query("a", "x", scene.exchange(TURNS[0])), one]
    record = list(predictions(*members, whole, batch_size=4, max_new_tokens=6, earlier="own"))[1]
    assert record["earlier"][0][1] != scene.turns[TURNS[0]].answer
    model, encoder = module.answering_model(
        members[1].answering(members[0], members[0].members[0].role),
        members[1].weights(members[0].members[0].start),
        members[0].training.precision,
        members[0].training.pixels,
        members[0].training.system,
    )
    given = module.after(one.exchange, [record["earlier"][0][1]])
    assert given.earlier == (Turn(scene.turns[TURNS[0]].question, record["earlier"][0][1]),)
    assert module.answers(model, encoder, [given], 6)[0].text == record["text"]
