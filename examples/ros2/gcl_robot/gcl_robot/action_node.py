"""Images in, actions out: `ros2 run gcl_robot action_node --ros-args -p image_topic:=/camera/image_raw -p rate:=1.0`.

A timer asks about the newest image that was not asked about. Nothing is published if there is none, or no answer: whoever
drives the robot must stop when actions stay away.
"""

import rclpy
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from gcl_robot.ask import AskError, Server, data_url

# Images that came during a question are old; the last one counts.
NEWEST = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class ActionNode(Node):
    """Subscribes to images, asks the server, publishes its answers."""

    def __init__(self, **options) -> None:
        super().__init__("gcl_action", **options)
        image_topic = self.declare_parameter("image_topic", "/camera/image_raw").value
        compressed = self.declare_parameter("compressed", False).value
        action_topic = self.declare_parameter("action_topic", "/gcl/action").value
        rate = self.declare_parameter("rate", 1.0).value  # questions a second, at most
        self._question = self.declare_parameter("question", "").value  # by default the model's own about actions
        url = self.declare_parameter("server", "http://127.0.0.1:8000").value
        key = self.declare_parameter("api_key", "").value
        timeout = self.declare_parameter("timeout", 5.0).value
        self._server, self._newest = Server(url, key, timeout), None
        self._actions = self.create_publisher(String, action_topic, 10)
        self.create_subscription(CompressedImage if compressed else Image, image_topic, self._keep, NEWEST)
        self.create_timer(1.0 / rate, self._ask)

    def _keep(self, message) -> None:
        self._newest = message

    def _ask(self) -> None:
        message, self._newest = self._newest, None
        if message is None:
            return
        try:
            self._question = self._question or self._server.action_question()
            action = self._server.ask(data_url(message), self._question)
        except AskError as error:
            self.get_logger().warning(f"no action: {error}")
            return
        self._actions.publish(String(data=action))


def main() -> None:
    """Run the node until it is stopped."""
    rclpy.init()
    node = ActionNode()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
