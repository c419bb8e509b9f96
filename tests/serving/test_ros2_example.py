"""The ROS 2 example: messages become pictures that a real server answers about; the node runs where ROS is."""

import base64
import io
import sys
import threading
from types import ModuleType, SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from serving_case import QUESTIONS, make_member, served_member, serving, shown, words

PACKAGE = ROOT / "examples/ros2/gcl_robot"


@pytest.fixture(scope="module", autouse=True)
def importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PACKAGE))
        yield
    for name in [name for name in sys.modules if name.startswith("gcl_robot")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(served_member(make_member(tmp_path_factory.mktemp("member")))) as client:
        yield client


@pytest.fixture(scope="module")
def picture(scenarios):
    return scenarios[0].pictures[0].path


def message(pixels: np.ndarray, encoding: str, padding: int = 0):
    """A sensor_msgs/Image, its rows longer than its pixels by some bytes."""
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (0, padding)), constant_values=7)
    height, width = pixels.shape[:2]
    return SimpleNamespace(height=height, width=width, encoding=encoding, step=rows.shape[1], data=rows.tobytes())


def decoded(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


@pytest.mark.parametrize(
    ("encoding", "channels"),
    [("rgb8", [0, 1, 2]), ("bgr8", [2, 1, 0]), ("rgba8", [0, 1, 2, 0]), ("bgra8", [2, 1, 0, 0])],
)
@pytest.mark.parametrize("padding", [0, 5])
def test_every_encoding_gives_the_same_picture(encoding, channels, padding):
    from gcl_robot.ask import data_url

    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(decoded(data_url(message(pixels[..., channels], encoding, padding))), pixels)


def test_grey_images_and_files_are_sent():
    from gcl_robot.ask import data_url

    grey = np.random.default_rng(0).integers(0, 256, (8, 9), dtype=np.uint8)
    assert np.array_equal(decoded(data_url(message(grey, "mono8")))[..., 1], grey)
    for kind in ("png", "jpeg"):
        file = io.BytesIO()
        Image.fromarray(grey).save(file, kind)
        url = data_url(SimpleNamespace(format=kind, data=list(file.getvalue())))
        assert url.startswith(f"data:image/{kind};base64,") and decoded(url).shape == (8, 9, 3)


def test_images_that_cannot_be_sent_say_why():
    from gcl_robot.ask import AskError, data_url

    grey = np.zeros((8, 9), dtype=np.uint8)
    for bad, said in (
        (message(grey, "16UC1"), "encoding '16UC1'"),
        (SimpleNamespace(height=8, width=9, encoding="mono8", step=9, data=b"12"), "with 2 bytes"),
        (SimpleNamespace(format="h264", data=b"1234"), "format 'h264'"),
    ):
        with pytest.raises(AskError, match=said):
            data_url(bad)


def test_an_image_becomes_the_action_that_the_server_names(client, picture):
    from gcl_robot.ask import Server, data_url

    server = Server(f"http://127.0.0.1:{client.port}")
    question = server.action_question()
    assert question == QUESTIONS["action"]
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    action = server.ask(data_url(message(pixels[..., ::-1], "bgr8", padding=3)), question)
    assert action and action == client.chat([shown(picture), words(question)]).said


def test_there_is_no_action_without_a_whole_answer(client, picture):
    from gcl_robot.ask import AskError, Server

    url = shown(picture)["image_url"]["url"]
    server = Server(f"http://127.0.0.1:{client.port}")
    with pytest.raises(AskError, match=r"400: .*not an image"):
        server.ask("data:image/png;base64,YWJj", "What?")
    with pytest.raises(AskError, match=r"http://127\.0\.0\.1:9: "):
        Server("http://127.0.0.1:9").ask(url, "What?")
    server._request = lambda *_: {"choices": [{"finish_reason": "length", "message": {"content": "Turn"}}]}
    with pytest.raises(AskError, match="cut"):
        server.ask(url, "What?")
    server._request = lambda *_: {"data": [{"id": "m", "action": None, "questions": {}}]}
    with pytest.raises(AskError, match="m has no question about an action"):
        server.action_question()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_files_of_the_package_compile(path):
    compile(path.read_text(encoding="utf-8"), str(path), "exec")


def test_the_package_is_declared_once():
    manifest = ElementTree.parse(PACKAGE / "package.xml").getroot()
    name = manifest.findtext("name")
    assert (PACKAGE / "resource" / name).is_file() and (PACKAGE / name / "__init__.py").is_file()
    assert f'name="{name}"' in (PACKAGE / "setup.py").read_text()
    assert f"{name}.action_node:main" in (PACKAGE / "setup.py").read_text()
    needed = {element.text for element in manifest.findall("exec_depend")}
    assert {"rclpy", "sensor_msgs", "std_msgs"} <= needed


@pytest.fixture
def without_ros(monkeypatch):
    """Modules in the places of ROS's, with the few things that the node uses."""

    class Node:
        def __init__(self, name, parameters):
            self.parameters, self.sent, self.warned = parameters, [], []

        def declare_parameter(self, name, default):
            return SimpleNamespace(value=self.parameters.get(name, default))

        def create_publisher(self, kind, topic, depth):
            return SimpleNamespace(publish=lambda message: self.sent.append((topic, message.data)))

        def create_subscription(self, kind, topic, callback, profile):
            self.image_kind = kind

        def create_timer(self, seconds, callback):
            self.seconds = seconds

        def get_logger(self):
            return SimpleNamespace(warning=self.warned.append)

    def module(name, **content):
        made = ModuleType(name)
        vars(made).update(content)
        monkeypatch.setitem(sys.modules, name, made)

    policy = SimpleNamespace(KEEP_LAST=1, BEST_EFFORT=2)
    module("rclpy")
    module("rclpy.node", Node=Node)
    module("rclpy.qos", QoSProfile=SimpleNamespace, HistoryPolicy=policy, ReliabilityPolicy=policy)
    module("sensor_msgs")
    module("sensor_msgs.msg", Image="Image", CompressedImage="CompressedImage")
    module("std_msgs")
    module("std_msgs.msg", String=SimpleNamespace)
    monkeypatch.delitem(sys.modules, "gcl_robot.action_node", raising=False)
    yield
    sys.modules.pop("gcl_robot.action_node", None)


def test_the_node_asks_once_about_each_image(client, picture, without_ros):
    from gcl_robot.action_node import ActionNode

    pixels = np.asarray(Image.open(picture).convert("RGB"))
    expected = client.chat([shown(picture), words(QUESTIONS["action"])]).said
    node = ActionNode(parameters={"server": f"http://127.0.0.1:{client.port}", "rate": 4.0, "timeout": 60.0})
    assert node.seconds == 0.25 and node.image_kind == "Image"
    node._ask()
    assert node.sent == [], "there was no image yet"
    node._keep(message(pixels[::2], "rgb8"))
    node._keep(message(pixels, "rgb8"))
    node._ask()
    node._ask()
    assert node.sent == [("/gcl/action", expected)]
    node._keep(message(pixels, "16UC1"))
    node._ask()
    assert len(node.sent) == 1 and "no action: image of encoding" in node.warned[0]


def test_the_node_names_an_action_for_a_fake_camera(client, picture):
    rclpy = pytest.importorskip("rclpy")
    from gcl_robot.action_node import NEWEST, ActionNode
    from rclpy.parameter import Parameter
    from sensor_msgs.msg import Image as ImageMessage
    from std_msgs.msg import String

    pixels = np.asarray(Image.open(picture).convert("RGB"))
    said, heard = [], threading.Event()
    rclpy.init()
    try:
        values = {"server": f"http://127.0.0.1:{client.port}", "rate": 5.0, "timeout": 30.0}
        node = ActionNode(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
        camera = rclpy.create_node("camera")
        images = camera.create_publisher(ImageMessage, "/camera/image_raw", NEWEST)
        camera.create_subscription(String, "/gcl/action", lambda action: (said.append(action.data), heard.set()), 10)
        executor = rclpy.executors.SingleThreadedExecutor()
        for each in (node, camera):
            executor.add_node(each)
        fields = vars(message(pixels, "rgb8"))
        for _ in range(300):
            images.publish(ImageMessage(**fields))
            executor.spin_once(timeout_sec=0.1)
            if heard.is_set():
                break
    finally:
        rclpy.try_shutdown()
    assert said[0] == client.chat([shown(picture), words(QUESTIONS["action"])]).said
