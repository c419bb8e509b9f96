"""A small competitive group for tests: specifications over the fixtures' backbones, what a worker trains, its loss log."""

import json
from collections.abc import Mapping
from pathlib import Path

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import ExchangeFeed, MemberSpec, ObjectiveSpec, ReferenceFeed, RunSpec, Shown, TrainingSpec
from gcl.experiment.weights import Weights


def make_run(
    folders,
    *,
    members=2,
    micro=8,
    gsl=0.5,
    drl=0.4,
    epochs=1,
    lr=(2e-3, 1e-3, 1e-3),
    precision="float32",
    quantization=None,
    optimizer="AdamW",
    frozen=(),
    lora=None,
    validation=None,
    families=("qwen2_5_vl", "qwen3_vl", "qwen2_5_vl"),
) -> RunSpec:
    roles, taus = ("learner", "guide", "third"), (3.0, 2.0, 1.0)
    paths = [str(folders[family]) for family in families]
    return RunSpec(
        scale="miniature",
        dataset="snei",
        method="gcl",
        variant="full",
        seed=0,
        members=[
            MemberSpec(role=roles[k], model=f"m{k}", family=families[k], start=Weights(path=paths[k]), lr=lr[k], tau=taus[k])
            for k in range(members)
        ],
        feed=ReferenceFeed(shown=[Shown(questions=["perception", "action"])]),
        objective=ObjectiveSpec()
        if members == 1
        else ObjectiveSpec(
            gsl_weight=gsl, drl_weight=drl, divergence="jsd", matching="infonce", kappa=0.07, semantic_size=16
        ),
        training=TrainingSpec(
            epochs=epochs, global_batch=8, micro_batch=micro, warmup_ratio=0.1, schedule="cosine",
            betas=[0.9, 0.95], eps=1e-8, weight_decay=0.0, clip_norm=1.0,
            precision=precision, quantization=quantization, optimizer=optimizer,
            frozen=list(frozen), lora=lora, pixels=[784, 50176], system="Be brief.",
            validation=validation,
        ),
    )  # fmt: skip


def exchange_feed(**changes) -> ExchangeFeed:
    """Members answer in turn all samples of a batch, and learn from each other."""
    settings = {
        "shown": [Shown(questions=["perception", "action"])], "share": 1.0, "warmup": 0.0, "authors": "turns",
        "answers": "own", "pulled": "all", "view": "same", "likelihood": False,
        "objective": ObjectiveSpec(drl_weight=1.0), "temperature": 1.0, "max_new_tokens": 10,
    }  # fmt: skip
    return ExchangeFeed(**settings | changes)


def train_scenes(
    spec: RunSpec,
    scenarios,
    data: str,
    execution: ExecutionSpec,
    output: Path,
    scratch: Path,
    asked: Mapping[str, object] | None = None,
    code: str = "code",
    teachers: Path | None = None,
    held_out=(),
) -> None:
    """Train on every turn of some scenes, with others held out; loggers, which draw pictures, only if they are asked for."""
    from gcl.training.feeds import References
    from gcl.training.own_answers import OwnAnswers
    from gcl.training.trainer import train_run

    if "loggers" not in execution.model_fields_set:
        execution = execution.model_copy(update={"loggers": []})
    asked_of, held = (
        [scene.exchange(turn) for scene in part for turn in scene.turns] for part in (scenarios, held_out)
    )
    feed = References(asked_of, held)
    if isinstance(spec.feed, ExchangeFeed):
        feed = OwnAnswers(asked_of, asked_of, spec.feed, held_out=held)
    train_run(spec, feed, data, code, execution, output, scratch, asked or {}, teachers)


def losses(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def write_cases(folder: Path, scenarios, cases: dict[str, dict]) -> None:
    """What distributed/worker.py reads: scenarios, and per case `run`, `execution` and perhaps more."""
    records = [
        {
            "id": s.id,
            "image": str(s.pictures[0].path),
            "turns": {turn: [words.question, words.answer] for turn, words in s.turns.items()},
            "action": s.action,
        }
        for s in scenarios
    ]
    folder.mkdir(exist_ok=True)
    (folder / "scenarios.json").write_text(json.dumps(records))
    (folder / "cases.json").write_text(json.dumps(cases))
