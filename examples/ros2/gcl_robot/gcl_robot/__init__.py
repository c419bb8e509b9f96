"""A ROS 2 node that asks `gcl serve` what the robot should do."""
