"""Published checkpoints without weights, and encoders over them. All of these ask for the real tokenizer."""

from pathlib import Path

import numpy as np
import pytest
import transformers
from PIL import Image
from transformers import AutoTokenizer, ProcessorMixin
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gcl.data.encoding import Encoder
from gcl.experiment.weights import Weights
from gcl.models.preprocessor import _image_only, load_preprocessor
from real.real_case import PUBLISHED, SYSTEM, fetch_tokenizer, write_checkpoint


@pytest.fixture(scope="session")
def tokenizer_file(request) -> Path:
    """The real tokenizer.json, kept in pytest's cache; see `fetch_tokenizer` for tests without a network."""
    return fetch_tokenizer(request.config.cache.mkdir("qwen3-tokenizer"))


@pytest.fixture(scope="session")
def checkpoints(tokenizer_file, tmp_path_factory) -> dict[str, Path]:
    """A folder a published model, as it is on the hub; without weights."""
    folders = {name: tmp_path_factory.mktemp(name) for name in PUBLISHED}
    for name, folder in folders.items():
        write_checkpoint(tokenizer_file, name, folder)
    return folders


@pytest.fixture(scope="session")
def encoders(checkpoints) -> dict[str, Encoder]:
    """An encoder a published model, with the checkpoint's own limits of pictures."""
    return {name: Encoder(load_preprocessor(Weights(path=str(folder))), SYSTEM) for name, folder in checkpoints.items()}


@pytest.fixture(scope="session")
def processors(checkpoints) -> dict[str, ProcessorMixin]:
    """A processor a published model: transformers' own, loaded by transformers, but for its part that reads videos."""
    loaded = {}
    for name, folder in checkpoints.items():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        images = Qwen2VLImageProcessorPil.from_pretrained(folder)
        # The part for videos needs torchvision.
        family = _image_only(getattr(transformers, PROCESSOR_MAPPING_NAMES[PUBLISHED[name].family]))
        loaded[name] = family(images, tokenizer, chat_template=tokenizer.chat_template)
    return loaded


@pytest.fixture(scope="session")
def picture(tmp_path_factory) -> Path:
    """A camera frame of 1280 x 720: shapes, and noise on them."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:720, :1280]
    frame = np.stack([rows % 256, columns % 256, (rows + columns) // 8 % 256], axis=-1) + random.integers(
        0, 40, (720, 1280, 3)
    )
    path = tmp_path_factory.mktemp("pictures") / "frame.png"
    Image.fromarray(frame.clip(0, 255).astype(np.uint8)).save(path)
    return path
