"""F1: BERTScore F1 between generated and reference text (GCL paper, Eq. 8 and 9), by the bert-score package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from gcl.errors import CheckpointError
from gcl.evaluation.encoders import encoder_folder, encoder_sha256, readable
from gcl.evaluation.scorer import Scorer
from gcl.experiment.asked import ScoreSpec


class BertF1(Scorer):
    """Scores pairs of texts with one encoder.

    Without idf. An empty text has an F1 of 0 before rescaling. The package cannot embed it, and silence is no action. A
    pair has 0, too, where the encoder cannot read the text or the reference (`unreadable`).
    """

    suffix, place = "-F1", 1

    def __init__(self, encoder: Path, layer: int, baseline: str | None = None) -> None:
        """Load the encoder from a local folder.

        Args:
            encoder: the folder.
            layer: the hidden layer whose embeddings are compared.
            baseline: rescale with bert-score's own baseline of this model, `bert-base-uncased` for instance.

        Raises:
            CheckpointError: if bert-score has no such baseline.
        """
        import bert_score  # takes seconds, as it imports torch

        path = None if baseline is None else Path(bert_score.__file__).parent / f"rescale_baseline/en/{baseline}.tsv"
        if path is not None and not path.is_file():
            known = ", ".join(sorted(file.stem for file in path.parent.glob("*.tsv")))
            raise CheckpointError(f"bert-score has no baseline for {baseline!r}; use null, or one of {known}")
        options = {"lang": "en", "rescale_with_baseline": True, "baseline_path": str(path)} if path else {}
        self._empty = 0.0
        self._scorer = bert_score.BERTScorer(model_type=str(encoder), num_layers=layer, idf=False, **options)
        if path:
            baseline_f1 = float(self._scorer.baseline_vals[2])
            self._empty = -baseline_f1 / (1 - baseline_f1)

    @classmethod
    def of(cls, score: ScoreSpec) -> Self:
        return cls(encoder_folder(score.bert_encoder), score.bert_layer)

    @classmethod
    def encoder(cls, score: ScoreSpec) -> Mapping[str, str]:
        return {"bert": f"{encoder_sha256(encoder_folder(score.bert_encoder))} layer {score.bert_layer}"}

    def unreadable(self, text: str, reference: str) -> bool:
        """Whether the encoder cannot compare the two, since one of them is empty to it."""
        return not (readable(self._scorer._tokenizer, text) and readable(self._scorer._tokenizer, reference))

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        """Return the F1 of each text against its reference."""
        filled = [i for i, pair in enumerate(zip(texts, references, strict=True)) if not self.unreadable(*pair)]
        scores = [self._empty] * len(texts)
        if filled:
            _, _, f1_N = self._scorer.score([texts[i] for i in filled], [references[i] for i in filled])
            for i, score in zip(filled, f1_N.tolist(), strict=True):
                scores[i] = score
        return scores


SCORER = BertF1
