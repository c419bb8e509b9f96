"""Requests that get an error: a 4xx with one clear line in OpenAI's form, and the next request is answered."""

import base64
import io
import json
import re
import socket
import struct
import time
import zlib

import pytest
from PIL import Image
from serving_case import CHAT, make_member, sent, served_member, serving, words

from gcl.serving.prompts import Prompts

QUESTION = words("What should the robot do?")


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    return make_member(tmp_path_factory.mktemp("member"))


@pytest.fixture(scope="module")
def client(member):
    with serving(served_member(member), body=2_000_000) as client:
        yield client
        assert client.chat("Hello", max_tokens=1).status == 200, "the server lives"


def png(width: int, height: int) -> bytes:
    """A PNG of few bytes that claims to be of any size, and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "grey").save(buffer, "JPEG")
    return buffer.getvalue()


def refused(reply, status: int, *said: str, code: str) -> None:
    assert reply.status == status, reply.text
    error = reply.json["error"]
    assert error.keys() == {"message", "type", "code"} and error["code"] == code
    assert "\n" not in error["message"] and len(error["message"]) < 400
    for text in said:
        assert text in error["message"], error["message"]


def url(text: str) -> dict:
    return {"type": "image_url", "image_url": {"url": text}}


PICTURES = {
    "text file": (sent(b"Dear robot,\nplease stop."), "not an image", "invalid_image"),
    "empty file": (sent(b""), "empty file", "invalid_image"),
    "truncated": (sent(jpeg(64, 64)[:300]), "truncated", "invalid_image"),
    "100 megapixels": (sent(png(10_000, 10_000)), "100.0 megapixels, more than 16", "image_too_large"),
    "a bomb": (sent(png(60_000, 60_000)), "megapixels, more than 16", "image_too_large"),
    "17 megapixels": (sent(png(17_000, 1000)), "17.0 megapixels", "image_too_large"),
    "a strip": (sent(jpeg(1, 900)), "a strip", "invalid_image"),
    "GIF": (sent(b"GIF89a" + bytes(20)), "not an image", "invalid_image"),
    "foreign address": (url("http://example.com/a.png"), "this server fetches nothing", "foreign_url"),
    "file address": (url("file:///etc/passwd"), "this server fetches nothing", "foreign_url"),
    "path": (url("/etc/passwd"), "this server fetches nothing", "foreign_url"),
    "no base64": (url("data:image/png,abc"), "without base64", "invalid_image"),
    "bad base64": (url("data:image/png;base64,a*b"), "no valid base64", "invalid_image"),
    "no data": (url("data:image/png;base64"), "without base64", "invalid_image"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_cannot_be_used(client, name):
    part, said, code = PICTURES[name]
    refused(client.chat([part, QUESTION]), 400, "messages[0].content[0]: ", said, code=code)


def test_the_picture_that_is_bad_among_several_is_named(client):
    reply = client.chat([words("front camera:"), sent(jpeg(64, 64)), sent(b"text"), QUESTION])
    refused(reply, 400, "messages[0].content[2]: not an image", code="invalid_image")


def test_too_many_pictures(client):
    refused(
        client.chat([*[sent(jpeg(28, 28))] * 9, QUESTION]), 400, "9 pictures; send at most 8", code="too_many_pictures"
    )


def user(content="Hello"):
    return {"role": "user", "content": content}


ASSISTANT, SYSTEM = {"role": "assistant", "content": "Hi"}, {"role": "system", "content": "Be brief."}
PLACE = "messages[1]: a picture outside of the first question"
BODIES = {
    "unknown role": ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "invalid_value"),
    "no messages": ({"messages": []}, "messages: ", "invalid_value"),
    "messages missing": ({}, "messages: field required", "invalid_value"),
    "a list": ([], "the body: ", "invalid_value"),
    "system alone": ({"messages": [SYSTEM]}, "no question at the end", "invalid_value"),
    "system late": ({"messages": [user(), SYSTEM, user()]}, "messages[1]: role 'system'", "invalid_value"),
    "answer first": ({"messages": [ASSISTANT, user()]}, "messages[0]: role 'assistant'", "invalid_value"),
    "twice in a row": ({"messages": [user(), user()]}, "messages[1]: role 'user'", "invalid_value"),
    "answer last": ({"messages": [user(), ASSISTANT]}, "no question at the end", "invalid_value"),
    "no text": ({"messages": [user(" ")]}, "messages[0]: no text", "invalid_value"),
    "no parts": ({"messages": [user([])]}, "messages[0].content", "invalid_value"),
    "a picture alone": ({"messages": [user([sent(jpeg(28, 28))])]}, "messages[0]: no text", "invalid_value"),
    "unknown part": ({"messages": [user([{"type": "video", "url": "x"}])]}, "messages[0].content[0]", "invalid_value"),
    "control word": ({"messages": [user("<|im_end|> hello")]}, "'<|im_end|>' is a sign", "invalid_value"),
    "picture mark": ({"messages": [user("<image>\nWhat?")]}, "'<image>' is a sign", "invalid_value"),
    "control word in a name": (
        {"messages": [user([words("<|im_end|>:"), sent(jpeg(28, 28)), QUESTION])]}, "is a sign", "invalid_value",
    ),
    "picture in an answer": (
        {"messages": [user(), {"role": "assistant", "content": [sent(b"")]}, user()]}, PLACE, "invalid_value",
    ),
    "later picture": ({"messages": [user(), ASSISTANT, user([sent(b""), QUESTION])]}, "messages[2]: a", "invalid_value"),
    "temperature": ({"messages": [user()], "temperature": 0.7}, "temperature: ", "unsupported_value"),
    "tools": ({"messages": [user()], "tools": []}, "tools: this server does not know it", "unknown_parameter"),
    "no tokens": ({"messages": [user()], "max_tokens": 0}, "max_tokens: ", "invalid_value"),
    "tokens as text": ({"messages": [user()], "max_tokens": "5"}, "max_tokens: ", "invalid_value"),
    "many tokens": ({"messages": [user()], "max_tokens": 5000}, "ask for at most 1024", "invalid_value"),
    "two limits": ({"messages": [user()], "max_tokens": 1, "max_completion_tokens": 1}, "two names", "invalid_value"),
    "context": ({"messages": [user("word " * 1500)], "max_tokens": 1000}, "2048 tokens together", "context_length_exceeded"),
    "1 MB prompt": ({"messages": [user("Hello. " * 150_000)]}, "2048 tokens together", "context_length_exceeded"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_request_that_makes_no_sense(client, name):
    body, said, code = BODIES[name]
    refused(client.send("POST", CHAT, json.dumps(body).encode()), 400, said, code=code)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"hello", b'{"messages": [}', b"\xff\xfe", b"[" * 100_000, b'{"messages": NaN}', b'{"messages": "\xff"}'],
    ids=["empty", "open", "text", "broken", "no text", "deep", "NaN", "no UTF-8"],
)  # fmt: skip
def test_a_body_that_is_no_json(client, body):
    reply = client.send("POST", CHAT, body)
    assert reply.status == 400 and reply.json["error"]["code"] in ("invalid_json", "invalid_value")


def test_an_unknown_model(client):
    refused(client.chat("Hello", model="gpt-4o"), 404, "only 'snei/x/seed0/learner' is served", code="model_not_found")


def test_a_body_that_is_too_large(client):
    body = json.dumps({"messages": [user("a" * 3_000_000)]}).encode()
    refused(client.send("POST", CHAT, body), 413, "more than 2000000 bytes", code="body_too_large")


def test_a_body_that_says_nothing_of_its_length_is_cut_too(client):
    def parts():
        for _ in range(40):
            yield b"a" * 100_000

    reply = client.send("POST", CHAT, parts())
    refused(reply, 413, "more than 2000000 bytes", code="body_too_large")


def test_a_form_of_a_browser_is_no_json(client):
    body = json.dumps({"messages": [user()]}).encode()
    refused(
        client.send("POST", CHAT, body, Content_Type="text/plain"), 415, "application/json", code="invalid_content_type"
    )


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("GET", CHAT, 405), ("GET", "/docs", 404)])
def test_an_address_that_there_is_not(client, method, path, status):
    refused(client.send(method, path), status, path, CHAT, code="unknown_url")


def test_a_body_that_never_ends_is_not_waited_for(member):
    with serving(served_member(member), seconds=0.3, batch=1, queue=0) as client:
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            head = [f"POST {CHAT} HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 1000"]
            connection.sendall("\r\n".join([*head, "", "{"]).encode())
            connection.settimeout(5)
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        assert client.chat("Hello", max_tokens=1).status == 200, "its place is free again"


def test_a_key_is_asked_for(member):
    with serving(served_member(member), key="open sesame") as client:
        for headers in ({}, {"Authorization": "Bearer sesame"}, {"Authorization": "open sesame"}):
            refused(client.send("GET", "/v1/models", **headers), 401, "no valid key", code="invalid_api_key")
        assert client.send("GET", "/v1/models", Authorization="Bearer open sesame").status == 200
        assert client.send("GET", "/health").status == 200
        body = json.dumps({"messages": [user()], "max_tokens": 1}).encode()
        assert client.send("POST", CHAT, body).status == 401
        assert client.send("POST", CHAT, body, Authorization="Bearer open sesame").status == 200


def test_a_defect_has_the_form_of_an_error_too(client, monkeypatch):
    monkeypatch.setattr(Prompts, "make", lambda *_: 1 / 0)
    reply = client.chat("Hello")
    assert reply.status == 500 and "division" not in reply.text
    assert reply.json["error"]["code"] == "internal_error" and reply.json["error"]["type"] == "server_error"


def test_the_log_has_one_line_a_request(client):
    time.sleep(0.1)  # the line of a request before
    before = len(client.log)
    client.send("GET", "/health")
    client.send("GET", "/a%0a2026-01-01T00:00:00Z%201.2.3.4%20GET%20/")
    client.chat([sent(b"x"), QUESTION])
    while len(client.log) < before + 3:  # a line is written after the response
        time.sleep(0.01)
    first, second, third = client.log[before:]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ 127\.0\.0\.1 GET /health 200 \d+\.\d{3}s", first)
    assert "\n" not in second and "/a%0a2026" in second and " 404 " in second
    assert f" POST {CHAT} 400 " in third and third.endswith("s")


def test_pictures_of_each_format_are_seen(client):
    texts = []
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), "grey").save(buffer, kind)
        data = base64.b64encode(buffer.getvalue()).decode()
        texts.append(client.chat([url(f"data:image/{kind.lower()};base64,{data}"), QUESTION], max_tokens=2).said)
    assert len(texts) == 4


def test_a_picture_that_is_just_small_enough_is_decoded(member):
    with serving(served_member(member), pixels=64 * 48) as client:
        assert client.chat([sent(jpeg(64, 48)), QUESTION], max_tokens=1).status == 200
        refused(client.chat([sent(jpeg(64, 49)), QUESTION]), 400, "megapixels", code="image_too_large")
