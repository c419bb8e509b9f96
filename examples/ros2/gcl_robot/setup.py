"""The package as colcon builds it."""

from setuptools import setup

setup(
    name="gcl_robot",
    version="0.1.0",
    packages=["gcl_robot"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/gcl_robot"]),
        ("share/gcl_robot", ["package.xml"]),
    ],
    install_requires=["setuptools", "pillow"],
    zip_safe=True,
    entry_points={"console_scripts": ["action_node = gcl_robot.action_node:main"]},
)
