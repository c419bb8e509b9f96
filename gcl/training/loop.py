"""Train a group: `train_group(members, scenarios, spec, log)` runs all epochs and leaves the members trained.

The same loop serves a group of one (supervised fine-tuning), pairs, and larger groups.
"""

import itertools
from collections.abc import Sequence

from tqdm import tqdm

from gcl.backbones.vocabulary import shared_vocabulary
from gcl.data.encoding import IGNORED, Sample, collate
from gcl.data.scenario import Scenario
from gcl.errors import CheckpointError, DataError
from gcl.objective.group import Share, group_loss
from gcl.runs import RunSpec
from gcl.training.batches import chunks, global_batches, steps_per_epoch
from gcl.training.engine import PlainEngine
from gcl.training.log import LossLog
from gcl.training.member import Member


def train_group(members: Sequence[Member], scenarios: Sequence[Scenario], spec: RunSpec, log: LossLog) -> None:
    """Fine-tune all members together, in place.

    Raises:
        DataError: if there is nothing to learn from.
        CheckpointError: if the members' tokenizers do not agree on the answers, or the loss is no longer finite.
    """
    training, objective = spec.training, spec.objective
    turns = list(itertools.chain.from_iterable(((s, turn) for turn in s.turns) for s in scenarios))
    if not turns:
        raise DataError(f"{spec.id}: the training split is empty; check the manifest of {spec.dataset}")
    vocabulary = shared_vocabulary([m.encoder.preprocessor.tokenizer for m in members], [m.head_rows for m in members])
    steps = training.epochs * steps_per_epoch(len(turns), training.global_batch)
    engine = PlainEngine(list(members), training, steps)
    names = [member.spec.role for member in members]
    for member in members:
        member.train()
    batches = global_batches(len(turns), training.global_batch, training.epochs, spec.seed)
    for step, indices in enumerate(tqdm(batches, total=steps, desc=spec.id, unit="step", mininterval=2), start=1):
        samples = [[m.encoder.sample(*turns[i], with_answer=True) for i in indices] for m in members]
        for position, i in enumerate(indices):
            _check_answer([own[position] for own in samples], members, vocabulary, *turns[i])
        tokens = sum(label != IGNORED for sample in samples[0] for label in sample.labels)
        logged: dict[str, float] = {}
        for micro in chunks(range(len(indices)), training.micro_batch):
            outputs = [
                member(engine.to_device(collate([own[i] for i in micro], member.encoder, left_padded=False)))
                for member, own in zip(engine.members, samples, strict=True)
            ]
            loss, components = group_loss(
                outputs,
                [member.spec.tau for member in members],
                gsl_weight=objective.gsl_weight if objective else 0.0,
                drl_weight=objective.drl_weight if objective else 0.0,
                kappa=objective.kappa if objective else 1.0,
                vocabulary=vocabulary,
                share=Share(inputs=len(micro) / len(indices), tokens=tokens),
            )
            engine.backward(loss)
            for name, value in {"loss": loss.detach(), **components}.items():
                logged[name] = logged.get(name, 0.0) + float(value)
        if not all(abs(value) < float("inf") for value in logged.values()):
            raise CheckpointError(
                f"{spec.id}: the loss is not finite at step {step} ({logged}); lower the learning rates"
            )
        norms = engine.step()
        log.write(step, _named(logged, names) | {f"norm_{n}": x for n, x in zip(names, norms, strict=True)})
    for member in members:
        member.eval()


def _named(components: dict[str, float], roles: Sequence[str]) -> dict[str, float]:
    """Replace member numbers by roles: sft_0 becomes sft_learner."""
    labels = {f"sft_{k}": f"sft_{role}" for k, role in enumerate(roles)}
    return {labels.get(name, name): value for name, value in components.items()}


def _check_answer(
    samples: Sequence[Sample], members: Sequence[Member], vocabulary: int, scenario: Scenario, turn: str
) -> None:
    """Refuse an answer that is not the same tokens for every member: DRL would compare unlike positions."""
    answers = [[label for label in sample.labels if label != IGNORED] for sample in samples]
    if any(answer != answers[0] for answer in answers) or max(answers[0]) >= vocabulary:
        raise CheckpointError(
            f"{turn} of {scenario.id}: {' and '.join(m.spec.role for m in members)} do not share all tokens of the answer "
            f"{scenario.turns[turn].answer[:60]!r}; remove model tags such as <think> from it"
        )
