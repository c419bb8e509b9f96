"""Make a saved checkpoint readable for older programs: `make_portable(folder)`, after everything in it was saved.

transformers 4.57, and programs built on it, use older names for some settings than transformers 5. This adds them, and both
versions read them alike. It removes how this machine loaded the base model.
"""

from pathlib import Path
from typing import Any

from gcl.files import read_json, write_json

# transformers 5 writes into the settings how this machine loaded the tokenizer.
_OF_THIS_MACHINE = ("is_local", "local_files_only", "name_or_path", "_name_or_path")


def make_portable(folder: Path) -> None:
    """Rewrite config.json and tokenizer_config.json of a checkpoint; add the two older processor files."""
    for name, change in (("config.json", _config), ("tokenizer_config.json", _tokenizer)):
        write_json(folder / name, change(read_json(folder / name)))
    processor = read_json(folder / "processor_config.json")
    for part, name in (("image", "preprocessor_config.json"), ("video", "video_preprocessor_config.json")):
        if f"{part}_processor" in processor:
            write_json(folder / name, _pictures(processor[f"{part}_processor"]))


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """4.57 splits `rope_parameters` into `rope_theta` and `rope_scaling`; the text model has the flag for tied heads.

    Gemma 3 has two kinds of layers, and 4.57 a name for the base of each.
    """
    text = config["text_config"]
    rope = dict(text["rope_parameters"])
    local = rope.get("sliding_attention")
    older = {"rope_local_base_freq": local["rope_theta"]} if local else {}
    rope = dict(rope.get("full_attention", rope))
    older |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
    older["tie_word_embeddings"] = config.get("tie_word_embeddings", False)
    return _without_machine(config) | {"text_config": text | older}


def _tokenizer(config: dict[str, Any]) -> dict[str, Any]:
    """4.57 calls a list of `extra_special_tokens` `additional_special_tokens`."""
    config = _without_machine(config)
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return config


def _pictures(config: dict[str, Any]) -> dict[str, Any]:
    """4.57 reads a picture's area from `min_pixels` and `max_pixels`, and ignores `size`."""
    size = config.get("size", {})
    if not {"shortest_edge", "longest_edge"} <= size.keys():  # of a family that does not go by the area
        return config
    return config | {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}


def _without_machine(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _OF_THIS_MACHINE}
