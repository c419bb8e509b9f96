"""Cosine of sentence embeddings (GCL paper, Sec. 4.1), by sentence-transformers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from gcl.errors import CheckpointError
from gcl.evaluation.encoders import encoder_folder, encoder_sha256, readable
from gcl.evaluation.scorer import Scorer
from gcl.experiment.asked import ScoreSpec


class SentenceSimilarity(Scorer):
    """Scores pairs of texts with one sentence encoder. A pair with a text that the encoder cannot read scores 0."""

    suffix, place = "-cos", 2

    def __init__(self, encoder: Path) -> None:
        """Load a Sentence-BERT folder.

        Raises:
            CheckpointError: for a plain BERT folder. The library would choose its pooling without a word.
        """
        if not (encoder / "modules.json").is_file():
            raise CheckpointError(
                f"{encoder}: no modules.json; this is no sentence-transformers model, choose one that is"
            )
        from sentence_transformers import SentenceTransformer  # takes seconds, as it imports torch

        self._model = SentenceTransformer(str(encoder), local_files_only=True)
        self._embeddings: dict[str, Any] = {}

    @classmethod
    def of(cls, score: ScoreSpec) -> Self:
        return cls(encoder_folder(score.sentence_encoder))

    @classmethod
    def encoder(cls, score: ScoreSpec) -> Mapping[str, str]:
        return {"sentence": encoder_sha256(encoder_folder(score.sentence_encoder))}

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        """Return the cosine of each text with its reference."""
        import torch
        from sentence_transformers.util import pairwise_cos_sim

        # Answers repeat each other, and members share references, so each text is encoded once.
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


SCORER = SentenceSimilarity
