"""The model card of a published member: `model_card(member, ...)`, a README.md with the hub's metadata at its head."""

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from huggingface_hub import EvalResult, ModelCardData

from gcl.evaluation.metric_registry import header, turn_of
from gcl.experiment.schema import SCALES
from gcl.experiment.weights import Weights
from gcl.publication.citation import Citation, bibtex
from gcl.publication.licence import Licence
from gcl.publication.trained import TrainedMember
from gcl.reporting.estimates import LESS_IS_BETTER
from gcl.reporting.metrics_file import Interval

_AVERAGED = 10  # steps at the start and at the end whose losses are averaged
_KINDS = ("loss", "sft", "gsl", "drl")  # of losses, which are told; the others are norms and shares
_PRINT = (
    'print(processor.decode(model.generate(**given, max_new_tokens={longest})[0, given["input_ids"].shape[1]:], '
    "skip_special_tokens=True))"
)
_ODD = {
    "empty": "empty",
    "unfinished": "cut at the longest length",
    "unscorable": "unreadable for the metric's encoder",
}


def model_card(
    member: TrainedMember, licence: Licence, citation: Citation, compared: Sequence[str], repo: str | None
) -> str:
    """The whole file.

    Args:
        licence: of the weights.
        compared: sentences about the method and its control; empty if there is no table of them.
        repo: where it goes on the hub; None if that is not known yet.
    """
    warning = SCALES[member.run.scale]
    parts = [
        f"---\n{metadata(member, licence).to_yaml()}\n---",
        f"# {member.spec.model}, {member.spec.role} of {member.run.id}",
        *([f"**A miniature model, for trying the workflow only. {warning}**"] if warning else []),
        about(member),
        f"Licence of the weights: {licence}. It is that of the base model.",
        f"## Training\n\n{_rows(_training(member))}",
        *([f"Losses, each a mean of {_AVERAGED} steps:\n\n{found}"] if (found := _losses(member)) else []),
        f"## Scores\n\n{_scores(member, warning)}",
        *(["## Against its control\n\n" + "\n".join(compared)] if compared else []),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(member, warning)),
        f"## Use\n\n{_use(member, repo)}",
        "## Files\n\n"
        "`SHA256SUMS` has the hash of every file; check them with `sha256sum -c SHA256SUMS`. `metrics.json` has the scores "
        "of every test item. `training.json` has specification, versions and costs. `ro-crate.zip` is a Workflow Run "
        "RO-Crate of this run. `gcl.json` says how the model is asked.",
        "## Citation\n\n```bibtex\n"
        + "\n".join(
            [*([bibtex("paper", citation.paper)] if citation.paper else []), bibtex("program", citation.program)]
        )
        + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def metadata(member: TrainedMember, licence: Licence) -> ModelCardData:
    """The head of the card."""
    run, warning = member.run, SCALES[member.run.scale]
    on_hub = isinstance(member.base, Weights) and member.base.revision
    results = [
        EvalResult(
            task_type="image-text-to-text",
            dataset_type=run.dataset,
            dataset_name=f"{run.dataset}, {run.scale} scale" if warning else run.dataset,
            dataset_split="test",
            metric_type=name,
            metric_name=header(name) or name,
            metric_value=round(score.mean, 4),
        )
        for name, score in member.scores.summary.items()
    ]
    return ModelCardData(
        **licence.for_hub,
        base_model=member.base.path if on_hub else None,
        pipeline_tag="image-text-to-text",
        library_name="transformers",
        datasets=[run.dataset],
        metrics=list(member.scores.summary),
        tags=["gcl", *(["miniature"] if warning else [])],
        model_name=f"{member.spec.model} {member.spec.role} of {run.id}",
        eval_results=results,
    )


def about(member: TrainedMember) -> str:
    """The model in two sentences."""
    run = member.run
    others = " and ".join(f"{other.model} ({other.role})" for other in member.others)
    together = f", together with {others}" if others else ""
    adapters = "" if member.whole else " These are its LoRA adapters alone."
    return (
        f"{member.spec.model}, fine-tuned on {run.dataset}{together}: method `{run.method}`, variant `{run.variant}`, seed "
        f"{run.seed}. It began as {_base_words(member)}.{adapters}"
    )


def _base_words(member: TrainedMember) -> str:
    base = member.base
    if not isinstance(base, Weights):
        return f"random weights of {base.model} in miniature"
    return f"`{base.path}`, commit `{base.revision}`" if base.revision else f"`{base.path}`"


def _training(member: TrainedMember) -> dict[str, str]:
    run, training = member.run, member.run.training
    rows = {
        "run": f"`{run.id}`",
        "trained before": ", ".join(f"`{name}`" for name in member.before),
        "peak learning rate": ", ".join(f"{m.role} {m.lr:g}" for m in run.members),
        "temperature of DRL": ", ".join(f"{m.role} {m.tau:g}" for m in run.members) if member.others else "",
        "objective": f"`{run.objective.model_dump_json()}`" if member.others else "supervised only",
        "epochs, steps": f"{training.epochs}, {len(member.losses) or 'not kept'}",
        "samples a step": str(training.global_batch),
        "seed": str(run.seed),
        "settings": f"`{training.model_dump_json(exclude={'epochs', 'global_batch'})}`",
        "training data": f"{run.dataset}, sha256 `{member.record['data'][:12]}`",
        "specification": f"sha256 `{run.fingerprint[:12]}`",
        "weights": f"sha256 `{member.record['weights'][member.spec.role][:12]}`",
    }
    return {name: value for name, value in rows.items() if value}


def _losses(member: TrainedMember) -> str:
    """Every part of the objective at the start and at the end; empty if losses were not kept."""
    first, last = member.losses[:_AVERAGED], member.losses[-_AVERAGED:]
    names = [name for name in (first[0] if first else {}) if name.partition("_")[0] in _KINDS]
    lines = [f"| {name} | {_mean(first, name)} | {_mean(last, name)} |" for name in names]
    return "\n".join(["| | first | last |", "|---|--:|--:|", *lines]) if lines else ""


def _mean(steps: Sequence[Mapping[str, float]], name: str) -> str:
    known = [step[name] for step in steps if name in step]
    return f"{fmean(known):.4f}" if known else "–"


def _scores(member: TrainedMember, warning: str | None) -> str:
    kept = member.scores.held_out
    rows: dict[str, Interval] = {header(name) or name: score for name, score in member.scores.summary.items()}
    rows |= {
        name.replace("_", " ") + " (less is better)" * (name in LESS_IS_BETTER): score
        for name, score in (kept.summary if kept else {}).items()
    }
    lines = [
        f"| {name} | {score.mean:.3f} | {score.low:.3f} to {score.high:.3f} | {score.n} |"
        for name, score in rows.items()
    ]
    small = "Miniature results, on the test split" if warning else "On the test split"
    said = "Held-out scores are of questions that no training had. " if kept else ""
    return "\n".join(
        [
            f"{small} of {member.run.dataset}. {said}Intervals are 95 % bootstrap intervals over test items of this one "
            "training.",
            "", "| score | mean | 95 % interval | test items |", "|---|--:|--:|--:|", *lines,
        ]
    )  # fmt: skip


def _limits(member: TrainedMember, warning: str | None) -> Iterator[str]:
    if warning:
        yield f"{warning} Its numbers say nothing about the model whose name it has."
    yield f"One training with seed {member.run.seed}. Another seed may score otherwise by more than the intervals here."
    if floor := member.metrics.constant_answer:
        name, value = floor.score
        yield f"The most frequent {turn_of(name)}, given to every test scene, has {header(name)} {value:.3f}."
    counts = {words: sum(getattr(member.scores, kind).values()) for kind, words in _ODD.items()}
    if any(counts.values()):
        odd = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
        yield f"Of its answers on the test split: {odd}."
    yield f"It was tested on the test split of {member.run.dataset} and nowhere else: not on a robot, not in other places."
    yield "Its answers are no safe ground for moving near people without other safeguards."


def _use(member: TrainedMember, repo: str | None) -> str:
    """Six lines for transformers. Adapters alone need the project, which knows their base."""
    name, file = repo or "PATH/OF/THIS/FOLDER", member.asked
    if not member.whole:
        commands = [f"hf download {name} --local-dir member", "gcl predict --checkpoint member --image photo.png"]
        return "\n".join(["```console", *(f"$ {command}" for command in commands), "```"])
    question = file.asked.questions[file.asked.action or next(iter(file.asked.questions))]
    picture = '{"type": "image", "image": Image.open("photo.png")}'
    said = [_message("system", _text(file.system))] if file.system else []
    said.append(_message("user", f"{picture}, {_text(question)}"))
    return f"""It needs transformers, torchvision and Pillow:

```python
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
model, processor = (kind.from_pretrained("{name}") for kind in (AutoModelForImageTextToText, AutoProcessor))
said = [{", ".join(said)}]
given = processor.apply_chat_template(said, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
{_PRINT.format(longest=file.asked.max_new_tokens)}
```

`gcl predict --checkpoint FOLDER --image photo.png` of the project asks all its questions as the evaluation does."""


def _text(words: str) -> str:
    return f'{{"type": "text", "text": {json.dumps(words, ensure_ascii=False)}}}'


def _message(role: str, content: str) -> str:
    return f'{{"role": "{role}", "content": [{content}]}}'


def _rows(rows: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
