"""A served member on the loopback, inside the test's own process, and a client without any library."""

import base64
import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from conftest import ROOT

from gcl.deployment.loaded_member import LoadedMember, load
from gcl.evaluation.asked_member import find_member
from gcl.files import write_json
from gcl.serving.chat_api import make_app
from gcl.serving.limits import Limits
from gcl.serving.listening import listener, server
from gcl.training.member_file import MEMBER_FILE, MemberFile, Questions

CHAT = "/v1/chat/completions"
QUESTIONS = {
    "perception": "What do you see?",
    "action": "What should the robot do?",
    "explanation": "Why is this appropriate?",
}
BASE = ROOT / "base_models/qwen3-vl-4b"


class Reply(NamedTuple):
    """Status, headers and body of a response."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def said(self) -> str:
        """The answer of a chat."""
        assert self.status == 200, self.text
        return self.json["choices"][0]["message"]["content"]

    @property
    def pieces(self) -> list[Any]:
        """The data of server-sent events."""
        lines = [line for line in self.text.split("\n\n") if line]
        assert all(line.startswith("data: ") for line in lines), self.text
        return [line if line.endswith("[DONE]") else json.loads(line[6:]) for line in lines]


class Client(NamedTuple):
    """Asks a server; `log` is what the server wrote."""

    port: int
    log: list[str]

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        kinds = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        connection.request(method, path, body, kinds)
        response = connection.getresponse()
        reply = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        connection.close()
        return reply

    def chat(self, content: Any, **fields: Any) -> Reply:
        """Ask one question; `messages` among the fields are a whole dialogue."""
        fields = {"messages": [{"role": "user", "content": content}]} | fields
        return self.send("POST", CHAT, json.dumps(fields).encode())


def make_member(folder: Path) -> Path:
    """A base model that follows instructions, as if a training had left it."""
    asked = Questions(about="scenes", questions=QUESTIONS, action="action", batch_size=4, max_new_tokens=24)
    file = MemberFile(
        run="snei/x/seed0", scale="miniature", role="learner", model="qwen3-vl-4b", base=str(BASE), revision=None, lr=1.0,
        system="You are a helpful assistant.", pixels=[784, 50176], precision="float32", asked=asked,
    )  # fmt: skip
    shutil.copytree(BASE, folder / "learner")
    write_json(folder / "learner" / MEMBER_FILE, file.model_dump())
    return folder / "learner"


def served_member(folder: Path | str) -> LoadedMember:
    return load(find_member(str(folder)))


@contextmanager
def serving(served: LoadedMember, key: str | None = None, **limits: Any) -> Iterator[Client]:
    """Serve a member on a free port."""
    log: list[str] = []
    bounds = Limits(**limits)
    with listener("127.0.0.1", 0) as opened:
        ours = server(make_app(served, bounds, key, log.append), bounds.seconds)
        thread = threading.Thread(target=ours.run, kwargs={"sockets": [opened]})
        port = opened.getsockname()[1]
        thread.start()
        while not ours.started:
            time.sleep(0.01)
        try:
            yield Client(port, log)
        finally:
            ours.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def shown(path: Path | str) -> dict[str, Any]:
    """A picture as a part of a message."""
    return sent(Path(path).read_bytes())


def sent(contents: bytes) -> dict[str, Any]:
    """Bytes as a picture of a message."""
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(contents).decode()}"}}


def words(text: str) -> dict[str, Any]:
    """A text as a part of a message."""
    return {"type": "text", "text": text}
