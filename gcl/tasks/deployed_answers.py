"""Deployed members answer the test questions: `run_member(...)` finds who is deployed, `agreement(...)` compares formats.

The first folder is the reference, which should be the member in float32. A report says how many answers of each other folder
differ from its, and scores all of them on the same scenes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from tqdm import tqdm

from gcl.data.encoding import chunks
from gcl.data.scenario import Query
from gcl.data.spread import spread
from gcl.deployment.deployment_manifest import read_manifest
from gcl.deployment.loaded_member import LoadedMember, load_member
from gcl.errors import ConfigError, DataError
from gcl.evaluation.asked_member import Found, base_member, find_member
from gcl.evaluation.generate import Answer, answers
from gcl.evaluation.metric_registry import METRICS, ranking, score_names
from gcl.experiment.asked import score_spec
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.tasks.task import open_task

_SHOWN = 20  # answers of a folder that differ and are kept as examples


def run_member(experiment: Experiment, run: RunSpec, role: str | None, results: Path) -> tuple[Found, str]:
    """One member of a run, ready to be deployed, and the run's id.

    Args:
        experiment: says how a base model is asked.
        run: the member's.
        role: of the member; None where the run has one that answers.
        results: folder of all results.

    Raises:
        CheckpointError: if it has no weights here.
        ConfigError: if there is no such member, or one has to be chosen.
    """
    roles = [member.role for member in run.asked]
    if role is None and len(roles) > 1:
        raise ConfigError(f"{run.id}: a run of {len(roles)} members; add --role {' or --role '.join(roles)}")
    if role not in (None, *roles):
        raise ConfigError(f"--role {role}: {run.id} has no such member; use one of {', '.join(roles)}")
    role = role or roles[0]
    weights = places(experiment, results).answering(run, role)
    found = find_member(weights.path if weights.revision is None else f"{weights.path}@{weights.revision}")
    if found.file is not None:
        return found, run.id
    number = [member.role for member in run.members].index(role)
    based = base_member(found, experiment, open_task(experiment, run.dataset).asked(run, number))
    named = based.file.model_copy(update={"role": role, "model": run.members[number].model})
    return replace(based, file=named), run.id


def agreement(experiment: Experiment, folders: Sequence[Path], scenes: int | None) -> dict[str, Any]:
    """The report: answers that differ from those of the first folder, and scores.

    Args:
        experiment: says where the test scenes are.
        folders: of one member in several formats, the reference first.
        scenes: so many test scenes, from all parts of the split; None is all.

    Raises:
        CheckpointError: if a folder cannot be loaded.
        ConfigError: if a folder was made from no run of the experiment.
        DataError: if they hold different members.
    """
    manifests = [read_manifest(folder) for folder in folders]
    members = {(manifest.run, manifest.role) for manifest in manifests}
    if len(members) > 1:
        named = "; ".join(f"{run} {role}" for run, role in sorted(members, key=str))
        raise DataError(f"the folders hold different members ({named}); give those of one member")
    if manifests[0].run is None:
        raise ConfigError(f"{folders[0]}: made from no run of the experiment; deploy a run, see gcl runs")
    run = find_run(experiment, manifests[0].run)
    score = score_spec(experiment, run)
    name, header = ranking(experiment, run.dataset)
    turn, metric = score_names(score.turns, score.actions is not None)[name]
    scorer, found, said = METRICS[metric].of(score), [], {}
    for folder, manifest in zip(folders, manifests, strict=True):
        member = load_member(folder)
        queries = _queries(experiment, run, member, scenes)
        begin = perf_counter()
        texts = _answers(member, queries, str(folder))
        seconds = perf_counter() - begin
        said = said or texts  # the reference's
        ranked = [query for query in queries if query.turn == turn]
        records = [{"reference": query.exchange.answer, **query.facts} for query in ranked]
        scores = scorer([texts[q.id, turn].text for q in ranked], [record[scorer.against] for record in records])
        other = [key for key in said if texts[key].text != said[key].text]
        found.append(
            {
                "folder": str(folder),
                "format": manifest.format,
                "sha256": manifest.sha256,
                "size": manifest.size,
                "asked": len(queries),
                "different": len(other),
                "different_by_turn": {
                    t: sum(key[1] == t for key in other) for t in dict.fromkeys(q.turn for q in queries)
                },
                "unfinished": sum(not answer.ended for answer in texts.values()),
                "seconds": round(seconds, 3),
                "scores": dict(zip((query.id for query in ranked), scores, strict=True)),
                "examples": [
                    {"id": key[0], "turn": key[1], "reference": said[key].text, "text": texts[key].text}
                    for key in other[:_SHOWN]
                ],
            }
        )
    return {
        "run": run.id,
        "role": manifests[0].role,
        "model": manifests[0].model,
        "dataset": run.dataset,
        "metric": name,
        "header": header,
        "folders": found,
    }


def _queries(experiment: Experiment, run: RunSpec, member: LoadedMember, scenes: int | None) -> list[Query]:
    """The test questions. In a context, earlier turns have the answers of the data, so that all formats read the same."""
    task = open_task(experiment, run.dataset, member.file.context)
    turns = [each.name for each in score_spec(experiment, run).turns]
    chosen = set(spread(task.ids("test"), scenes))
    return [query for query in task.queries("test", turns, "own") if query.id in chosen]


def _answers(member: LoadedMember, queries: Sequence[Query], label: str) -> dict[tuple[str, str], Answer]:
    """Answers by item and turn."""
    asked, found = member.file.asked, {}
    with tqdm(total=len(queries), desc=label, unit="answer", mininterval=2) as bar:
        for batch in chunks(queries, asked.batch_size):
            exchanges = [query.exchange for query in batch]
            said = answers(member.model, member.encoder, exchanges, asked.max_new_tokens)
            found |= {(query.id, query.turn): answer for query, answer in zip(batch, said, strict=True)}
            bar.update(len(batch))
    return found
