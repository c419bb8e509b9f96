"""How `gcl serve` does under load: clients that ask one question after the other over the loopback.

    python benchmarks/serve.py                                       # 8 clients, 60 s, a miniature base model
    python benchmarks/serve.py --member results/miniature/checkpoints/RUN/learner --clients 4 --to serve.json

The server is a process of its own. Every client asks about a picture of its own and waits for the whole answer. A request
fails if its status is not 200. Latency is measured by the client.
"""

import argparse
import base64
import http.client
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from gcl.files import write_json

ROOT = Path(__file__).parents[1]
CHAT = "/v1/chat/completions"
PIXELS = (640, 480)  # of a robot's camera


@contextmanager
def served(member: Path, log: Path) -> Iterator[int]:
    """Serve a member in a process of its own; yields its port."""
    command = [sys.executable, "-m", "gcl", "serve", str(member), "--port", "0"]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        line = process.stdout.readline()
        if "http://" not in line:
            process.wait()
            raise SystemExit(f"the server did not start:\n{log.read_text()}")
        try:
            yield int(line.rsplit(":", 1)[1].partition("/")[0])
        finally:
            process.terminate()


def body(seed: int) -> bytes:
    """A request about a picture of coloured rectangles."""
    draw = random.Random(seed)
    picture = Image.new("RGB", PIXELS, "white")
    for _ in range(20):
        x, y = draw.randrange(PIXELS[0]), draw.randrange(PIXELS[1])
        colour = tuple(draw.randrange(256) for _ in range(3))
        picture.paste(colour, (x, y, x + draw.randrange(20, 200), y + draw.randrange(20, 200)))
    file = io.BytesIO()
    picture.save(file, "JPEG")
    url = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What should the robot do?"}]
    return json.dumps({"messages": [{"role": "user", "content": content}], "max_tokens": 32}).encode()


def ask(port: int, end: float, request: bytes, found: list[tuple[float, int, str]]) -> None:
    """Ask until the end; appends seconds, tokens and, if it failed, the reason of each request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.perf_counter() < end:
        begin, tokens, problem = time.perf_counter(), 0, ""
        try:
            connection.request("POST", CHAT, request, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            if response.status == 200:
                tokens = json.loads(text)["usage"]["completion_tokens"]
            else:
                problem = f"{response.status} {text.decode()[:200]}"
        except OSError as error:
            problem = f"{type(error).__name__}: {error}"
            connection.close()
        found.append((time.perf_counter() - begin, tokens, problem))
    connection.close()


def measure(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """Requests, errors, and percentiles of latency in seconds."""
    ask(port, time.perf_counter() + 0.01, body(0), [])  # the first one is slow
    found: list[tuple[float, int, str]] = []
    begin = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(port, begin + seconds, body(k), found)) for k in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    errors = [problem for _, _, problem in found if problem]
    cuts = statistics.quantiles([latency for latency, _, _ in found], n=100, method="inclusive")
    return {
        "clients": clients,
        "seconds": elapsed,
        "requests": len(found),
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "requests_per_second": len(found) / elapsed,
        "tokens_per_second": sum(tokens for _, tokens, _ in found) / elapsed,
        "latency": {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "most": max(latency for latency, _, _ in found)},
    }


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--member", type=Path, default=ROOT / "base_models" / "qwen3-vl-4b")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--to", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(options.member, Path(folder) / "log") as port:
        found = measure(port, options.clients, options.seconds)
    load = os.getloadavg()[0]
    found["machine"] = {
        "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": load,
    }  # fmt: skip
    times = ", ".join(f"{name} {value:.3f} s" for name, value in found["latency"].items())
    print(
        f"{found['clients']} clients, {found['seconds']:.0f} s: {found['requests']} requests, {found['errors']} errors"
    )
    print(f"{found['requests_per_second']:.1f} requests/s, {found['tokens_per_second']:.0f} tokens/s; latency {times}")
    print(f"load average of {os.cpu_count()} cores at the end: {load:.1f}")
    if found["first_error"]:
        print(f"first error: {found['first_error']}")
    if options.to:
        write_json(options.to, found)


if __name__ == "__main__":
    main()
