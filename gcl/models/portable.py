"""Make a saved checkpoint folder readable elsewhere: `make_portable(folder)`, after everything in it was saved.

transformers 5 writes some settings under names that 4.57, and programs built on it, do not know. Here they get the older
names, too, which both versions read as the same. What only says how this machine loaded the base model is taken out.
"""

from pathlib import Path
from typing import Any

from gcl.files import read_json, write_json

# How a tokenizer was loaded on this machine; transformers 5 writes it into the tokenizer's settings.
_OF_THIS_MACHINE = ("is_local", "local_files_only", "name_or_path", "_name_or_path")


def make_portable(folder: Path) -> None:
    """Rewrite config.json and tokenizer_config.json; put the two older processor files beside processor_config.json.

    Args:
        folder: a checkpoint with configuration, tokenizer and processor, as transformers 5 saves them.
    """
    for name, change in (("config.json", _config), ("tokenizer_config.json", _tokenizer)):
        write_json(folder / name, change(read_json(folder / name)))
    processor = read_json(folder / "processor_config.json")
    for part, name in (("image", "preprocessor_config.json"), ("video", "video_preprocessor_config.json")):
        write_json(folder / name, _pictures(processor[f"{part}_processor"]))


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """4.57 has `rope_theta` and, for the rest of `rope_parameters`, `rope_scaling`; it ties by the text model's flag."""
    text = config["text_config"]
    rope = dict(text["rope_parameters"])
    older = {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
    older["tie_word_embeddings"] = config.get("tie_word_embeddings", False)
    return _ours(config) | {"text_config": text | older}


def _tokenizer(config: dict[str, Any]) -> dict[str, Any]:
    """4.57 wants a dictionary as `extra_special_tokens`; a list has the name `additional_special_tokens` there."""
    config = _ours(config)
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return config


def _pictures(config: dict[str, Any]) -> dict[str, Any]:
    """4.57 takes the limits of a picture's area from `min_pixels` and `max_pixels`, and ignores `size`."""
    size = config["size"]
    return config | {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}


def _ours(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _OF_THIS_MACHINE}
