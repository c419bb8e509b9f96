"""A hub on this machine: `FakeHub` answers the requests of huggingface_hub's uploads and keeps what it is sent."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

TOKEN = "hf_of_a_test"


class FakeHub:
    """A server with one repository.

    Attributes:
        files: contents by name, as committed.
        objects: large contents by hash, committed or not.
        sent: hashes of large contents in the order in which they came.
        commits: names of the files of each commit.
        refused: hashes that are not taken.
        private: whether the repository is; None before it is made.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.commits: list[list[str]] = []
        self.refused: set[str] = set()
        self.private: bool | None = None
        self.requests: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.hub.requests.append(self.path)
        self._answer(200, {"id": "somebody/learner", "sha": "0" * 40, "modelId": "somebody/learner"})

    def do_PUT(self) -> None:
        content, oid = self._body(), self.path.rpartition("/")[2]
        if oid in self.hub.refused:
            self._answer(403, {"error": "the line broke"})
            return
        assert hashlib.sha256(content).hexdigest() == oid
        self.hub.sent.append(oid)
        self.hub.objects[oid] = content
        self._answer(200, {})

    def do_POST(self) -> None:
        self.hub.requests.append(self.path)
        body = self._body()
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            self.hub.private = asked.get("visibility") == "private"
            self._answer(200, {"url": f"{self.hub.url}/{asked['organization']}/{asked['name']}"})
        elif self.path == "/api/validate-yaml":
            head = yaml.safe_load(json.loads(body)["content"].split("---")[1])
            bad = [] if head.get("license") else [{"message": "license is missing"}]
            self._answer(400 if bad else 200, {"errors": bad, "warnings": []})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            self._answer(200, {"files": [self._mode(name) for name in names]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            self._answer(200, {"transfer": "basic", "objects": [self._object(o) for o in json.loads(body)["objects"]]})
        elif "/commit/" in self.path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._answer(404, {"error": self.path})

    def _mode(self, name: str) -> dict[str, object]:
        large = name.endswith((".safetensors", ".zip"))
        kept = self.hub.files.get(name)
        oid = None
        if kept is not None:
            blob = hashlib.sha1(f"blob {len(kept)}\0".encode() + kept).hexdigest()
            oid = hashlib.sha256(kept).hexdigest() if large else blob
        return {"path": name, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}

    def _object(self, asked: dict[str, object]) -> dict[str, object]:
        wanted = asked["oid"] not in self.hub.objects
        actions = {"actions": {"upload": {"href": f"{self.hub.url}/objects/{asked['oid']}"}}} if wanted else {}
        return {"oid": asked["oid"], "size": asked["size"], **actions}

    def _commit(self, lines: list[dict]) -> None:
        new = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                new[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                new[value["path"]] = self.hub.objects[value["oid"]]
        self.hub.files |= new
        self.hub.commits.append(sorted(new))
        oid = f"{len(self.hub.commits):040d}"
        self._answer(200, {"commitUrl": f"{self.hub.url}/somebody/learner/commit/{oid}", "commitOid": oid})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, content: dict) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
