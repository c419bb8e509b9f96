"""The formats that a member can be deployed in, by name: `FORMATS`. gcl/deployment/formats has their code.

Nothing here imports torch or a runtime.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gcl.errors import ConfigError

_FILES = "gcl.deployment.formats"


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name, title: for command lines, and for people.
        file: its file among the formats, which has `write(name, model, folder)`, `load(name, folder)` and `LIBRARIES`.
        needs: modules of libraries that are not always installed.
    """

    name: str
    title: str
    file: str
    needs: tuple[str, ...] = ()

    def write(self, model: Any, folder: Path) -> None:
        """Write a model in float32 on the CPU into a folder. The model cannot be used afterwards.

        Raises:
            ConfigError: if a library is missing.
            CheckpointError: if the model's family has no such format.
        """
        self._file().write(self.name, model, folder)

    def load(self, folder: Path) -> Any:
        """The model of a folder; it has `generate` and `device`, as those of transformers have.

        Raises:
            ConfigError: if a library is missing.
            CheckpointError: if the folder cannot be loaded.
        """
        return self._file().load(self.name, folder)

    def libraries(self) -> dict[str, str]:
        """The libraries that decide what is written, and their versions."""
        return {name: version(name) for name in self._file().LIBRARIES}

    def _file(self) -> Any:
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            raise ConfigError(f"format {self.name} needs the library {missing[0]}; pip install 'gcl[deploy]'")
        return import_module(f"{_FILES}.{self.file}")


FORMATS = {
    each.name: each
    for each in (
        Format("float32", "transformers, 32 bits", "torch_weights"),
        Format("bf16", "transformers, 16 bits", "torch_weights"),
        Format("int8", "transformers, 8 bits", "few_bits", ("bitsandbytes",)),
        Format("nf4", "transformers, 4 bits", "few_bits", ("bitsandbytes",)),
        Format("openvino", "OpenVINO, 16 bits", "openvino_graphs", ("openvino",)),
        Format("openvino-int8", "OpenVINO, 8 bits", "openvino_graphs", ("openvino", "nncf")),
        Format("openvino-int4", "OpenVINO, 4 bits", "openvino_graphs", ("openvino", "nncf")),
    )
}
