"""Members and encoders that write or read reference answers, with their limits: `readers(experiment)`.

`gcl data validate` uses it. It fetches no tokenizers, but names those that are not on this machine.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from transformers import AutoTokenizer

from gcl.data.validation.length_checks import Reader
from gcl.errors import CheckpointError
from gcl.evaluation.encoders import encoder_folder, readable
from gcl.evaluation.metric_registry import header
from gcl.experiment.dialogue import turns_of
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights


def readers(experiment: Experiment, kind: str) -> tuple[list[Reader], list[str]]:
    """Members and encoders of a scale, and a line for each whose tokenizer is not here.

    Args:
        experiment: the members, and the encoders of metrics.
        kind: of data whose turns are read, see `gcl.experiment.dialogue.dialogue_of`.
    """
    turns = turns_of(experiment, kind)
    found, absent = _members(experiment, list(turns))
    evaluation = experiment.evaluation
    for metric, checkpoint in (("f1", evaluation.bert_encoder.value), ("cos", evaluation.sentence_encoder.value)):
        scored = [turn for turn, setting in turns.items() if metric in setting.metrics]
        if not scored:
            continue
        name = "the encoder of " + " and ".join(str(header(f"{turn}_{metric}")) for turn in scored)
        try:
            tokenizer = _tokenizer(checkpoint)
        except CheckpointError as error:
            absent.append(f"answers longer than {name} reads: {error}")
            continue
        limit = tokenizer.model_max_length if metric == "f1" else _sentence_limit(checkpoint, tokenizer)
        remedy = "shorten them, or choose an encoder that reads more: the rest of an answer is not compared"
        found.append(_reader(name, scored, limit, remedy, tokenizer, around=tokenizer.num_special_tokens_to_add()))
    return found, absent


def _members(experiment: Experiment, turns: Sequence[str]) -> tuple[list[Reader], list[str]]:
    """One reader for all models that share a tokenizer."""
    limit = experiment.evaluation.max_new_tokens.value
    tokenizers: dict[str, Any] = {}
    names: dict[str, list[str]] = {}
    absent = []
    for model, settings in experiment.models.items():
        try:
            tokenizer = _tokenizer(settings.backbone.value)
        except CheckpointError as error:
            absent.append(f"answers of more than {limit} tokens of {model}: {error}")
            continue
        key = tokenizer.backend_tokenizer.to_str()
        tokenizers[key] = tokenizer
        names.setdefault(key, []).append(model)
    remedy = "raise evaluation.max_new_tokens, or shorten them: no member can write such an answer to its end"
    return [
        _reader(", ".join(names[key]), turns, limit, remedy, tokenizer, around=1)  # the end of the turn
        for key, tokenizer in tokenizers.items()
    ], absent


def _reader(name: str, turns: Sequence[str], limit: int, remedy: str, tokenizer: Any, *, around: int) -> Reader:
    def pieces(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) + around

    return Reader(name, turns, limit, remedy, pieces, lambda text: readable(tokenizer, text))


def _tokenizer(checkpoint: Weights) -> Any:
    """The tokenizer of a package, a folder, or of what the hub's cache on this machine has.

    Raises:
        CheckpointError: if it is not here.
    """
    at = {"pretrained_model_name_or_path": checkpoint.path, "revision": checkpoint.revision}
    if checkpoint.revision is None:
        at = {"pretrained_model_name_or_path": str(_folder(checkpoint))}
    try:
        return AutoTokenizer.from_pretrained(**at, local_files_only=True)
    except (OSError, ValueError, KeyError):
        raise CheckpointError(f"not counted, the tokenizer of {checkpoint.path} is not on this machine") from None


def _folder(checkpoint: Weights) -> Path:
    return encoder_folder(checkpoint) if checkpoint.path.startswith("package:") else Path(checkpoint.path)


def _sentence_limit(checkpoint: Weights, tokenizer: Any) -> int:
    """The longest text of a Sentence-BERT: its own limit, if it has one, or that of its tokenizer."""
    name = "sentence_bert_config.json"
    if checkpoint.revision is None:
        path: Any = _folder(checkpoint) / name
    else:
        path = try_to_load_from_cache(checkpoint.path, name, revision=checkpoint.revision)
    own = None
    if isinstance(path, str | Path) and Path(path).is_file():
        own = json.loads(Path(path).read_text(encoding="utf-8")).get("max_seq_length")
    return own or tokenizer.model_max_length
