"""Load a deployed folder and ask it: `load_deployed(folder).ask([picture], ["action"])`.

In every format, `model` and `encoder` go with gcl.evaluation.generate.answers. `model.generate` is that of transformers, as
far as it is used here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.data.encoding import Encoder
from gcl.deployment.deployment_manifest import Manifest, read_manifest
from gcl.deployment.format import FORMATS
from gcl.errors import CheckpointError
from gcl.evaluation.predict import Prediction, chosen_questions, predicted
from gcl.experiment.weights import Weights
from gcl.models.preprocessor import load_preprocessor
from gcl.training.member_file import MemberFile, read_member_file


@dataclass(frozen=True)
class Deployed:
    """A deployed member, ready to answer.

    Attributes:
        folder, manifest: where it is, and what it is.
        file: how it is asked.
        model: has `generate` and `device`.
        encoder: makes its inputs.
    """

    folder: Path
    manifest: Manifest
    file: MemberFile
    model: Any
    encoder: Encoder

    def ask(
        self,
        pictures: Sequence[Path | str | tuple[str, str | None]],
        turns: Sequence[str] | None = None,
        own: Sequence[str] | None = None,
        max_new_tokens: int | None = None,
    ) -> Prediction:
        """Ask about the pictures of one moment.

        Args:
            pictures: paths, or pairs of path and name.
            turns: names of the member's questions; without `own`, None asks for all.
            own: questions in one's own words.
            max_new_tokens: longest answer; None is that of the evaluation.

        Raises:
            ConfigError: if the member has no such question.
        """
        shown = [picture if isinstance(picture, tuple) else (str(picture), None) for picture in pictures]
        questions: Mapping[str, str] = chosen_questions(self.file, turns, own)
        longest = max_new_tokens or self.file.asked.max_new_tokens
        found = predicted(self.model, self.encoder, self.file, [shown], questions, batch_size=1, max_new_tokens=longest)
        return next(iter(found))


def load_deployed(folder: Path | str) -> Deployed:
    """Load what `gcl deploy` has written.

    Raises:
        CheckpointError: if the folder is not whole, or cannot be loaded.
        ConfigError: if a library of its format is missing.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.format not in FORMATS:
        raise CheckpointError(
            f"{folder}: format {manifest.format!r} is not known here; deploy the member again as {', '.join(FORMATS)}"
        )
    file = read_member_file(folder)
    model = FORMATS[manifest.format].load(folder)
    encoder = Encoder(load_preprocessor(Weights(path=str(folder)), (file.pixels[0], file.pixels[1])), file.system)
    return Deployed(folder, manifest, file, model, encoder)
