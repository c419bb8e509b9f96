"""Perception-cos and Reasoning-cos: cosine of sentence embeddings (GCL paper, Sec. 4.1), by sentence-transformers."""

from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import pairwise_cos_sim

from gcl.errors import CheckpointError
from gcl.evaluation.encoders import readable


class SentenceSimilarity:
    """Scores pairs of texts with one sentence encoder; a pair with a text that the encoder cannot read scores 0."""

    def __init__(self, encoder: Path) -> None:
        """Load a Sentence-BERT folder.

        Raises:
            CheckpointError: for a plain BERT folder, which the library would pool by its own choice without a word.
        """
        if not (encoder / "modules.json").is_file():
            raise CheckpointError(
                f"{encoder}: no modules.json; this is no sentence-transformers model, choose one that is"
            )
        self._model = SentenceTransformer(str(encoder), local_files_only=True)
        self._embeddings: dict[str, torch.Tensor] = {}

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        """Return the cosine of each text with its reference."""
        # Answers repeat each other, and references do from member to member: each text is encoded once.
        new = sorted({*texts, *references} - self._embeddings.keys())
        if new:
            embeddings = self._model.encode(new, convert_to_tensor=True, show_progress_bar=False)
            self._embeddings |= zip(new, embeddings, strict=True)
        left, right = (torch.stack([self._embeddings[text] for text in t]) for t in (texts, references))
        cosines = pairwise_cos_sim(left, right).tolist()
        pairs = zip(cosines, texts, references, strict=True)
        return [0.0 if self.unreadable(text, reference) else cosine for cosine, text, reference in pairs]

    def unreadable(self, text: str, reference: str) -> bool:
        """Whether the encoder cannot compare the two, since one of them is empty to it."""
        return not (readable(self._model.tokenizer, text) and readable(self._model.tokenizer, reference))
