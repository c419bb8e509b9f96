"""From an image message to an action in words, without ROS: `Server(url).ask(data_url(message), question)`.

Messages are read by their fields alone. So everything here can be tried where ROS is not installed.
"""

import base64
import io
import json
import urllib.error
import urllib.request

from PIL import Image

# Encodings of sensor_msgs/Image: Pillow's mode, and the order of bytes in the message.
ENCODINGS = {
    "rgb8": ("RGB", "RGB"),
    "bgr8": ("RGB", "BGR"),
    "rgba8": ("RGB", "RGBX"),
    "bgra8": ("RGB", "BGRX"),
    "mono8": ("L", "L"),
    "8UC1": ("L", "L"),
    "8UC3": ("RGB", "BGR"),  # OpenCV's order
}
STARTS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png"}  # of files in sensor_msgs/CompressedImage


class AskError(Exception):
    """An image cannot be sent, or the server has no answer. The message says why."""


def data_url(message) -> str:
    """A sensor_msgs/Image as PNG, or the file in a sensor_msgs/CompressedImage as it is, as a data: URL.

    Raises:
        AskError: if it has another encoding, or fewer bytes than it says.
    """
    data = bytes(message.data)
    if hasattr(message, "format"):
        kind = next((kind for start, kind in STARTS.items() if data.startswith(start)), None)
        if kind is None:
            raise AskError(f"compressed image of format {message.format!r}; publish JPEG or PNG")
        return _url(kind, data)
    if message.encoding not in ENCODINGS:
        raise AskError(f"image of encoding {message.encoding!r}; publish one of {', '.join(ENCODINGS)}")
    mode, order = ENCODINGS[message.encoding]
    try:  # rows may be padded: each has `step` bytes
        picture = Image.frombytes(mode, (message.width, message.height), data, "raw", order, message.step)
    except ValueError as error:
        raise AskError(f"image of {message.width} x {message.height} with {len(data)} bytes ({error})") from None
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return _url("png", file.getvalue())


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


class Server:
    """A server of `gcl serve`.

    Args:
        url: such as http://127.0.0.1:8000.
        key: that it asks for; empty for none.
        timeout: seconds of a request.
    """

    def __init__(self, url: str, key: str = "", timeout: float = 5.0) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def action_question(self) -> str:
        """The question whose answer names an action, as the model was trained to read it.

        Raises:
            AskError: if it has none, or the server does not answer.
        """
        (model,) = self._request("/v1/models")["data"]
        if model["action"] is None:
            raise AskError(f"{model['id']} has no question about an action; set the parameter `question`")
        return model["questions"][model["action"]]

    def ask(self, picture: str, question: str) -> str:
        """The answer to a question about a picture.

        Args:
            picture: a data: URL.
            question: in words.

        Raises:
            AskError: if there is none, or it was cut at its longest length.
        """
        content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": question}]
        reply = self._request("/v1/chat/completions", {"messages": [{"role": "user", "content": content}]})
        choice = reply["choices"][0]
        if choice["finish_reason"] != "stop":
            raise AskError("the answer was cut; half an action is none")
        return choice["message"]["content"]

    def _request(self, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AskError(f"{error.code}: {_reason(error)}") from None
        except OSError as error:  # nobody listens, or the time is up
            raise AskError(f"{self._url}: {getattr(error, 'reason', error)}") from None


def _reason(error: urllib.error.HTTPError) -> str:
    """The line that the server sent."""
    try:
        return json.load(error)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return error.reason
