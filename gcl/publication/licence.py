"""The licence of a member's weights, which is that of its base model: `licence_of(member)`."""

from dataclasses import dataclass

from huggingface_hub import ModelCard

from gcl.publication.trained import TrainedMember

# Identifiers that the hub knows and that models here may have. Zenodo knows the first ones by the same names.
_OPEN = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0"}
_OF_THE_HUB = _OPEN | {"gemma", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "openrail"}


@dataclass(frozen=True)
class Licence:
    """A licence; `name` is None if the base model's card states none."""

    name: str | None

    @property
    def for_hub(self) -> dict[str, str]:
        """Fields of a model card. A licence of the base's own is "other", with its name beside it."""
        if self.name is None:
            return {}
        known = self.name in _OF_THE_HUB
        return {"license": self.name} if known else {"license": "other", "license_name": self.name}

    @property
    def for_zenodo(self) -> str:
        """Zenodo's identifier. Without one it would take a licence by itself, so an unknown one is called closed."""
        return self.name if self.name in _OPEN else "other-closed"

    def __str__(self) -> str:
        return self.name or "not stated in the base model's card"


def licence_of(member: TrainedMember) -> Licence:
    """As the checkpoint's own card has it, which the training wrote."""
    path = member.folder / "README.md"
    return Licence(ModelCard.load(path).data.license if path.is_file() else None)
