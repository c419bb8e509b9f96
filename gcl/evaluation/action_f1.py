"""Action-F1: BERTScore F1 between generated and reference text (GCL paper, Eq. 8 and 9), by the bert-score package."""

from collections.abc import Sequence
from pathlib import Path

from bert_score import BERTScorer


class ActionF1:
    """Scores pairs of texts with one encoder.

    Unrescaled and without idf. An empty text scores 0: the package cannot embed it, and saying nothing is no action.
    """

    def __init__(self, encoder: Path, layer: int) -> None:
        """Load the encoder from a local folder; `layer` is the hidden layer whose embeddings are compared."""
        self._scorer = BERTScorer(model_type=str(encoder), num_layers=layer, idf=False, rescale_with_baseline=False)

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        """Return the F1 of each text against its reference."""
        filled = [i for i, text in enumerate(texts) if text.strip()]
        scores = [0.0] * len(texts)
        if filled:
            _, _, f1_N = self._scorer.score([texts[i] for i in filled], [references[i] for i in filled])
            for i, score in zip(filled, f1_N.tolist(), strict=True):
                scores[i] = score
        return scores
