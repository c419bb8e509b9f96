"""Settings for decoding answers: `greedy(encoder, max_new_tokens)`."""

from transformers import GenerationConfig

from gcl.data.encoding import Encoder


def greedy(encoder: Encoder, max_new_tokens: int) -> GenerationConfig:
    """Always the most probable token, up to the end of the turn."""
    # Spelt out, since a checkpoint's own defaults may hold more: Qwen2.5-VL ships a repetition penalty.
    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        max_new_tokens=max_new_tokens,
        eos_token_id=encoder.end_token,
        pad_token_id=encoder.pad_token,
    )
