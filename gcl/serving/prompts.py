"""From a conversation to a member's input: `Prompts(served, limits).make(conversation)`.

The prompt is that of the training and of `gcl predict`: the same encoder, system message and form of the dialogue. So the
answers are the same. Here pictures are decoded and tokens counted, before the model is asked.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gcl.data.encoding import Encoder, Sample
from gcl.data.images import PictureError
from gcl.data.scenario import Exchange, Picture, Scenario, Turn
from gcl.deployment.loaded_member import LoadedMember
from gcl.serving.limits import Limits
from gcl.serving.messages import Conversation
from gcl.serving.refusal import Refusal


@dataclass(frozen=True)
class EncodedPrompt:
    """The encoded question, how many pictures it has, and how long its answer may be in tokens."""

    sample: Sample
    pictures: int
    longest: int


class Prompts:
    """Makes a served member's prompts, one at a time: a tokenizer is not made for several threads."""

    def __init__(self, served: LoadedMember, limits: Limits) -> None:
        self._served, self._limits = served, limits
        own = getattr(served.model.config.get_text_config(), "max_position_embeddings", limits.context)
        self.context = min(own, limits.context)  # tokens of prompt and answer
        # No token stands for more characters, so a text that is too long is refused before it is cut into tokens.
        self._widest = max(map(len, served.encoder.preprocessor.tokenizer.get_vocab()))

    def make(self, asked: Conversation) -> EncodedPrompt:
        """Encode a conversation.

        Raises:
            Refusal: if a picture cannot be used, or prompt and answer do not fit.
        """
        if asked.model not in (None, self._served.name):
            raise Refusal(404, f"model: only {self._served.name!r} is served here; name it, or none", "model_not_found")
        if asked.longest is not None and asked.longest > self._limits.answer:
            raise Refusal(400, f"max_tokens: {asked.longest}; ask for at most {self._limits.answer}", "invalid_value")
        if asked.characters > self.context * self._widest:
            raise self._too_long(f"{asked.characters} characters")
        sample = self._encoded(asked)
        room = self.context - len(sample.ids)
        if room < (asked.longest or 1):
            wish = f" and {asked.longest} of the answer" if asked.longest else ""
            raise self._too_long(f"{len(sample.ids)} tokens{wish}")
        usual = min(self._served.file.asked.max_new_tokens, self._limits.answer, room)
        return EncodedPrompt(sample, len(asked.pictures), asked.longest or usual)

    def _encoded(self, asked: Conversation) -> Sample:
        encoder = self._served.encoder
        # One of its own keeps no pictures of others.
        encoder = Encoder(encoder.preprocessor, encoder.system if asked.system is None else asked.system)
        with tempfile.TemporaryDirectory(prefix="gcl-serve-") as folder:
            pictures = []
            for k, sent in enumerate(asked.pictures):
                path = Path(folder) / str(k)
                path.write_bytes(sent.data)
                pictures.append(Picture(path, sent.name))
                try:
                    encoder.prompt(Exchange("", (pictures[-1],), "", ""))
                except PictureError as error:
                    raise Refusal(400, f"{sent.place}: {error}", "invalid_image") from None
            return encoder.prompt(self._exchange(asked, tuple(pictures)))

    def _exchange(self, asked: Conversation, pictures: tuple[Picture, ...]) -> Exchange:
        """The question in the member's context. A member without one reads the whole dialogue, as the client wishes."""
        turns = {str(k): turn for k, turn in enumerate((*asked.earlier, Turn(asked.question, "")))}
        context = "questions" if self._served.file.context == "questions" else "full"
        return Scenario("", pictures, turns, "test").exchange(str(len(asked.earlier)), context)

    def _too_long(self, what: str) -> Refusal:
        message = f"messages: {what}; prompt and answer may have {self.context} tokens together, so shorten one of them"
        return Refusal(400, message, "context_length_exceeded")
