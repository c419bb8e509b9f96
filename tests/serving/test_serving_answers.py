"""Answers over HTTP: those of `gcl predict`, alone and together, whole and in pieces, and given up in time."""

import json
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from serving_case import CHAT, QUESTIONS, make_member, served_member, serving, shown, words

from gcl.cli.main import main
from gcl.deployment.deploy import deploy
from gcl.deployment.format import FORMATS
from gcl.evaluation.asked_member import find_member
from gcl.files import read_json, write_json
from gcl.serving.model_thread import Finished, Job, _Watched
from gcl.serving.prompts import EncodedPrompt
from gcl.training.member_file import MEMBER_FILE


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    return make_member(tmp_path_factory.mktemp("member"))


@pytest.fixture(scope="module")
def pictures(scenarios):
    return [str(scenario.pictures[0].path) for scenario in scenarios]


@pytest.fixture(scope="module")
def client(member):
    with serving(served_member(member)) as client:
        yield client


def predicted(capsys, member, *arguments):
    """Answers of `gcl predict` by question, one record a moment."""
    assert main(["predict", "--checkpoint", str(member), "--json", *arguments]) == 0
    return [json.loads(line)["answers"] for line in capsys.readouterr().out.splitlines()]


def test_answers_are_those_of_predict(client, member, pictures, capsys):
    said = predicted(capsys, member, "--image", *pictures[:4])
    for path, answers in zip(pictures, said, strict=False):
        for turn, question in QUESTIONS.items():
            reply = client.chat([shown(path), words(question)])
            assert reply.said.encode() == answers[turn].encode()
            choice = reply.json["choices"][0]
            assert choice["finish_reason"] in ("stop", "length") and choice["message"]["role"] == "assistant"
    assert len({text for answers in said for text in answers.values()}) > 3, (
        "a test of nothing if all answers are alike"
    )


@pytest.mark.parametrize("name", ["float32", "openvino"])
def test_a_deployed_member_is_asked_as_any_other(name, member, pictures, tmp_path, capsys):
    for library in FORMATS[name].needs:
        pytest.importorskip(library)
    assert deploy(find_member(str(member)), name, tmp_path / name)
    said = predicted(capsys, tmp_path / name, "--image", *pictures[:2])
    assert said == predicted(capsys, member, "--image", *pictures[:2])
    with serving(served_member(tmp_path / name)) as client:
        for path, answers in zip(pictures, said, strict=False):
            assert client.chat([shown(path), words(QUESTIONS["action"])]).said == answers["action"]


def test_answers_together_are_those_of_one_alone(member, pictures, capsys):
    """Different lengths, questions and pictures wait at once; some stream, some have no picture."""
    said = predicted(capsys, member, "--image", *pictures)
    alone = predicted(capsys, member, "--no-image")[0]
    cases = [(path, turn) for path in [*pictures, None] for turn in QUESTIONS]

    def ask(case):
        path, turn = case
        content = [*([shown(path)] if path else []), words(QUESTIONS[turn])]
        return client.chat(content, stream=False).said

    with serving(served_member(member)) as client, ThreadPoolExecutor(12) as threads:
        texts = list(threads.map(ask, cases))
    for (path, turn), text in zip(cases, texts, strict=True):
        assert text == (said[pictures.index(path)] if path else alone)[turn]


def test_several_named_pictures_are_those_of_predict(client, member, pictures, capsys):
    named = ["--picture", f"front camera={pictures[0]}", "--picture", f"rear camera={pictures[1]}"]
    content = [words("front camera:"), shown(pictures[0]), words("rear camera:"), shown(pictures[1])]
    for names, parts in ((named, content), (["--picture", pictures[0], "--picture", pictures[1]], content[1::2])):
        (said,) = predicted(capsys, member, *names)
        for turn, question in QUESTIONS.items():
            assert client.chat([*parts, words(question)]).said == said[turn]


def test_a_picture_after_its_question_stands_before_it(client, pictures):
    question = words(QUESTIONS["action"])
    assert (
        client.chat([question, shown(pictures[0])]).text.split("choices")[1]
        == (client.chat([shown(pictures[0]), question]).text.split("choices")[1])
    )


@pytest.mark.parametrize("context", ["full", "questions"])
def test_a_dialogue_has_the_form_of_the_training(member, pictures, tmp_path, capsys, context):
    folder = tmp_path / "learner"
    shutil.copytree(member, folder)
    write_json(folder / MEMBER_FILE, read_json(folder / MEMBER_FILE) | {"context": context})
    (said,) = predicted(capsys, folder, "--image", pictures[0])
    messages = []
    with serving(served_member(folder)) as client:
        for turn, question in QUESTIONS.items():
            messages.append(
                {"role": "user", "content": question if messages else [shown(pictures[0]), words(question)]}
            )
            text = client.chat(None, messages=messages).said
            assert text == said[turn]
            messages.append({"role": "assistant", "content": text})


def test_a_stream_has_the_same_answer_in_pieces(client, pictures):
    content = [shown(pictures[0]), words(QUESTIONS["perception"])]
    whole = client.chat(content).json
    reply = client.chat(content, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    *chunks, last = reply.pieces
    assert last == "data: [DONE]"
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(deltas) == whole["choices"][0]["message"]["content"] and len([text for text in deltas if text]) > 3
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]


def test_half_a_letter_waits_for_its_rest():
    """Byte by byte, as the worst tokenizer would; the pieces are those of the whole text, and none is half a letter."""
    data, said = " Zürich 🙂 ja ".encode(), []

    class Bytes:
        def decode(self, ids, skip_special_tokens):
            return bytes(ids.tolist()).decode(errors="replace")

    encoder = SimpleNamespace(preprocessor=SimpleNamespace(tokenizer=Bytes()), end_token=0)
    job = Job(EncodedPrompt(None, 0, len(data)), stream=True, tell=said.append)
    watched = _Watched([job], encoder, start=1)
    for count in range(1, len(data) + 1):
        done = watched(torch.tensor([[1, *data[:count]]]), None)
        assert done.tolist() == [count == len(data)]
    *pieces, finished = said
    assert finished == Finished("Zürich 🙂 ja", len(data), False)
    assert pieces == ["Z", "ü", "r", "i", "c", "h", " 🙂", " j", "a"]


def test_lengths_are_counted_and_kept(client, pictures):
    content = [shown(pictures[0]), words(QUESTIONS["perception"])]
    for limit in ({"max_tokens": 3}, {"max_completion_tokens": 3}):
        reply = client.chat(content, temperature=0, **limit).json
        assert reply["choices"][0]["finish_reason"] == "length"
        assert reply["usage"]["completion_tokens"] == 3
        assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + 3
    assert client.chat(content).json["usage"]["completion_tokens"] <= 24, "the member's own longest answer"


def test_a_system_message_replaces_the_members_own(client, member, pictures):
    question = {"role": "user", "content": [shown(pictures[0]), words(QUESTIONS["action"])]}
    own = {"role": "system", "content": "You are a helpful assistant."}
    other = {"role": "system", "content": "Say nothing but yes, at all times."}
    plain, same, changed = (client.chat(None, messages=[*first, question]).json for first in ([], [own], [other]))
    assert plain["choices"] == same["choices"] and plain["usage"] == same["usage"]
    assert changed["usage"]["prompt_tokens"] != plain["usage"]["prompt_tokens"]


def test_the_model_is_listed_with_its_questions(client, member):
    (model,) = client.send("GET", "/v1/models").json["data"]
    assert model["id"] == "snei/x/seed0/learner" and model["object"] == "model"
    assert model["questions"] == QUESTIONS and model["action"] == "action"
    assert client.chat("Hello", model=model["id"], max_tokens=1).status == 200
    assert client.send("GET", "/health").json["status"] == "ok"


class Slow:
    """A model whose every token takes a while, and that never ends by itself; it counts its steps."""

    def __init__(self, served, seconds):
        self.steps, self.seconds = 0, seconds
        self.end = served.encoder.end_token
        served.model.register_forward_hook(self._step)

    def _step(self, _model, _inputs, output):
        self.steps += 1
        time.sleep(self.seconds)
        output.logits[..., self.end] = float("-inf")


def test_an_answer_that_takes_too_long_is_given_up(member):
    served = served_member(member)
    slow = Slow(served, 0.05)
    with serving(served, seconds=0.5) as client:
        client.chat("Hello", max_tokens=1)
        begin = time.monotonic()
        reply = client.chat("Tell me a long story.", max_tokens=900)
        assert time.monotonic() - begin < 2
        assert reply.status == 504 and reply.json["error"]["code"] == "timeout"
        time.sleep(0.2)
        before = slow.steps
        time.sleep(0.3)
        assert slow.steps == before, "the model goes on"
        assert client.chat("Hello", max_tokens=1).status == 200


def test_a_client_that_leaves_is_not_answered(member):
    served = served_member(member)
    slow = Slow(served, 0.05)
    with serving(served) as client:
        body = json.dumps({"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 900}).encode()
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            head = [
                f"POST {CHAT} HTTP/1.1",
                "Host: x",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
            ]
            connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
            while not slow.steps:
                time.sleep(0.01)
        time.sleep(0.3)
        before = slow.steps
        time.sleep(0.3)
        assert slow.steps == before and " 499 " in client.log[-1]


def test_a_full_queue_says_when_to_come_back(member):
    served = served_member(member)
    Slow(served, 0.1)
    with serving(served, batch=1, queue=1) as client, ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: client.chat("Hello there.", max_tokens=4), range(6)))
        later = client.chat("Hello there.", max_tokens=4)
    full = [reply for reply in replies if reply.status == 503]
    assert 1 <= len(full) <= 4 and {reply.status for reply in replies} == {200, 503} and later.status == 200
    for reply in full:
        assert int(reply.headers["retry-after"]) >= 1 and reply.json["error"]["code"] == "queue_full"


def test_a_model_that_fails_is_said_and_the_next_request_answered(member, capfd):
    served = served_member(member)
    with serving(served) as client:
        generate = served.model.generate
        served.model.generate = lambda **_: (_ for _ in ()).throw(RuntimeError("no memory for you"))
        reply = client.chat("Hello")
        assert reply.status == 500 and reply.json["error"]["type"] == "server_error" and "no memory" not in reply.text
        served.model.generate = generate
        assert client.chat("Hello", max_tokens=1).status == 200
    assert "no memory for you" in capfd.readouterr().err


def test_requests_under_way_are_finished_at_the_end(member):
    served = served_member(member)
    slow, replies = Slow(served, 0.05), []
    with serving(served) as client:
        thread = threading.Thread(target=lambda: replies.append(client.chat("Tell me a story.", max_tokens=12)))
        thread.start()
        while not slow.steps:
            time.sleep(0.01)
    thread.join(10)
    assert replies[0].status == 200
