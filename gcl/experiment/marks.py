"""Words in texts that models take for something else: marks of pictures, and control words of chat models.

`<image>` tells many programs where a picture goes, `<|im_end|>` tells Qwen that a turn ends. In an answer such a word would
teach a false end, or a picture that is not there. So import and validation refuse them (gcl/data/raw.py).
Only one `<image>` at either end of a question is usual; `without_picture_mark(text)` takes it off.

Should one still get in, gcl/data/encoding.py writes it letter by letter, as plain text.
"""

import re

PICTURE_MARK = "<image>"
# Families differ, and the next one is not known: all that looks like a control word is one. Case does not matter.
_MARKS = re.compile(
    r"<\|[^<>|\s]{1,40}\|>"  # Qwen, Llama 3, Phi: <|im_end|>, <|image_pad|>, <|eot_id|>, <|image_1|>
    r"|</?(?:image|img|video|audio|picture|frame|point[ _-]?cloud)(?:[ _-]?\d+)?\s*/?>"
    r"|<(?:image[ _]?here|image[ _]?placeholder|image[ _]?token|image[ _]?soft[ _]?token|img[ _]context)>"
    r"|\[/?(?:img|image|video|inst)(?:[ _-]?\d+)?\]|\[(?:img_break|img_end|image_\w{1,10})\]"
    r"|<(?:start|end)_of_(?:turn|image|text|utterance)>|<fake_token_around_image>|<row_\d+_col_\d+>|<global-img>"
    r"|</?s>|<(?:bos|eos|pad|unk|mask)>|<</?sys>>"  # Llama 2, Gemma, Mistral
    r"|</?(?:think|tool_call|tool_response|tools)>"  # Qwen 3: tokens of their own there, not in Qwen 2.5
    "|[\ufdd0-\ufdef\ufffe\uffff]",  # no characters (Unicode 23.7): programs use them as signs of their own, ours too
    re.IGNORECASE,
)


def without_picture_mark(text: str) -> str:
    """A question without the one mark at its beginning or end that says where the picture goes."""
    text = text.strip()
    if text.startswith(PICTURE_MARK):
        return text.removeprefix(PICTURE_MARK).strip()
    return text.removesuffix(PICTURE_MARK).strip()


def without_picture_marks(text: str) -> str:
    """A question about several pictures without all marks at its beginning and end."""
    while (shorter := without_picture_mark(text)) != text:
        text = shorter
    return text


def marks(text: str) -> list[str]:
    """All such words in a text, each once, in their order."""
    return list(dict.fromkeys(match[0] for match in _MARKS.finditer(text)))
