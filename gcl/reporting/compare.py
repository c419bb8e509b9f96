"""Two scored runs side by side: `gcl compare`, here `compare(a, b, ...)` of two files that `read_scored(path)` read.

For every metric and every pair of members: both means, the difference B - A with the 95 % bootstrap interval of the paired
differences over test scenes (as in the tables), on how many scenes each is better, and the scenes that differ most.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gcl.errors import ConfigError, DataError
from gcl.files import read_json, read_jsonl
from gcl.reporting.estimates import METRICS, Estimate
from gcl.reporting.metrics import Item, MemberMetrics, MetricsFile, metrics_path
from gcl.runs import find_run
from gcl.schema import Experiment

# What decides which scenes differ most: the metric of the paper's tables.
_LEADING = "action_f1"
# Scores are stored with six digits; what one text scores in two batches may differ in the last.
_SAME = 1e-5


@dataclass(frozen=True)
class Scored:
    """A run's metrics file and its contents."""

    path: Path
    metrics: MetricsFile

    def answers(self, role: str) -> Mapping[str, str]:
        """A member's action answers by scene, from the predictions file beside the metrics; none where there is none."""
        own = f"metrics/{self.metrics.run}.json"
        name = self.path.absolute().as_posix()
        path = Path(f"{name.removesuffix(own)}predictions/{self.metrics.run}.jsonl")
        if not name.endswith(own) or not path.is_file():
            return {}
        return {r["id"]: r["text"] for r in read_jsonl(path) if (r["role"], r["turn"]) == (role, "action")}


@dataclass(frozen=True)
class Difference:
    """One metric of two members over the same scenes.

    Attributes:
        a, b: means.
        difference, low, high: mean of B - A and its 95 % interval.
        a_better, b_better: number of scenes on which one has the higher score; on the others they are equal.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    a_better: int
    b_better: int


@dataclass(frozen=True)
class Side:
    """One member on one scene: its scores by metric, and its action answer if the predictions are there."""

    scores: Mapping[str, float]
    answer: str | None


@dataclass(frozen=True)
class Scene:
    """A scene on which two members differ."""

    id: str
    a: Side
    b: Side


@dataclass(frozen=True)
class MemberPair:
    """Two members: role and model of each, differences by metric, and the scenes that differ most in Action-F1."""

    roles: tuple[str, str]
    models: tuple[str, str]
    metrics: Mapping[str, Difference]
    worst: Sequence[Scene]


@dataclass(frozen=True)
class Comparison:
    """Two runs.

    Attributes:
        runs: their ids, A first.
        files: their metrics files.
        scenes: number of test scenes.
        notes: what else differs between them and should be known.
        pairs: the members that were compared.
    """

    runs: tuple[str, str]
    files: tuple[str, str]
    scenes: int
    notes: Sequence[str]
    pairs: Sequence[MemberPair]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{letter}: {run}" for letter, run in zip("AB", self.runs, strict=True)]
        lines += [f"note: {note}" for note in self.notes]
        for pair in self.pairs:
            lines += ["", *_table(pair), *_scenes(pair)]
        return "\n".join(
            [
                *lines,
                "",
                f"[low, high]: 95 % bootstrap interval of the paired differences over {self.scenes} test scenes. ↑ B is "
                "better, ↓ worse: it excludes",
                "zero. † it does not. It says nothing about other trainings of the same two runs.",
            ]
        )


def scored_path(run: str, experiment: Experiment, results_folder: Path) -> Path:
    """Where the metrics of a run are, which is named by its id or by its metrics file itself.

    Raises:
        ConfigError: if it is neither.
    """
    if run.endswith(".json"):
        return Path(run)
    return metrics_path(results_folder, experiment.scale, find_run(experiment, run).id)


def read_scored(path: Path) -> Scored:
    """Read one metrics file, whatever configuration it was made with.

    Raises:
        DataError: if it is missing, or no metrics file.
    """
    try:
        return Scored(path, MetricsFile.model_validate(read_json(path)))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; make it with: snakemake --cores 2 {path}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "the file"
        raise DataError(
            f"{path}: not a metrics file: {field}: {problem['msg']}; name results/<scale>/metrics/..."
        ) from None


def compare(
    a: Scored, b: Scored, *, members: Sequence[str] | None = None, worst: int = 5, resamples: int = 2000
) -> Comparison:
    """Compare two runs that answered the same questions.

    Args:
        a, b: the runs.
        members: roles in A and B to compare; None takes every model that is in both.
        worst: how many of the scenes that differ most to list.
        resamples: of the bootstrap.

    Raises:
        DataError: if test manifests, metric models or scenes of the two are not the same.
        ConfigError: if there are no such members, or no model is in both.
    """
    _check(a, b)
    pairs = [_pair(a, one, b, other, worst, resamples) for one, other in _members(a.metrics, b.metrics, members)]
    return Comparison(
        (a.metrics.run, b.metrics.run),
        (str(a.path), str(b.path)),
        len(a.metrics.members[0].items),
        list(_notes(a.metrics, b.metrics)),
        pairs,
    )


def _check(a: Scored, b: Scored) -> None:
    one, other = a.metrics.provenance, b.metrics.provenance
    for what, same, remedy in (
        ("test manifests", one.manifests.test == other.manifests.test, "compare runs of one data set and scale"),
        ("metric models", one.metric_models == other.metric_models, "compare runs of one scale"),
    ):
        if not same:
            raise DataError(
                f"{a.path} and {b.path} were scored with different {what}, so their difference means nothing; {remedy}, or "
                f"bring both up to date with: snakemake --cores 2 {a.path} {b.path}"
            )
    scenes = {frozenset(item.id for item in member.items) for file in (a, b) for member in file.metrics.members}
    if len(scenes) > 1:
        raise DataError(f"{a.path} and {b.path} do not hold the same scenes; make both again with snakemake")


def _notes(a: MetricsFile, b: MetricsFile) -> Iterator[str]:
    """What may differ without forbidding the comparison, but may be why the scores do."""
    one, other = a.provenance, b.provenance
    for what, same in (
        ("training data", one.manifests.train == other.manifests.train),
        ("training code", one.code_sha256.training == other.code_sha256.training),
        ("evaluation code", one.code_sha256.evaluation == other.code_sha256.evaluation),
    ):
        if not same:
            yield f"the two were made with different {what}"


def _members(a: MetricsFile, b: MetricsFile, roles: Sequence[str] | None) -> list[tuple[MemberMetrics, MemberMetrics]]:
    if roles is not None:
        return [(_member(a, roles[0]), _member(b, roles[1]))]
    pairs = []
    for one in a.members:
        same = [other for other in b.members if other.model == one.model]
        # Where a model competes with itself, learner goes with learner.
        pairs += [(one, other) for other in [m for m in same if m.role == one.role] or same]
    if not pairs:
        raise ConfigError(
            f"no model is in both runs; name a member of each, such as --members {a.members[0].role} "
            f"{b.members[0].role} ({a.run} has {_listed(a)}; {b.run} has {_listed(b)})"
        )
    return pairs


def _member(file: MetricsFile, role: str) -> MemberMetrics:
    for member in file.members:
        if member.role == role:
            return member
    raise ConfigError(f"--members: {file.run} has no member {role!r}; it has {_listed(file)}")


def _listed(file: MetricsFile) -> str:
    return ", ".join(f"{member.role} {member.model}" for member in file.members)


def _pair(a: Scored, one: MemberMetrics, b: Scored, other: MemberMetrics, worst: int, resamples: int) -> MemberPair:
    metrics = {}
    for name in METRICS:
        first, second = _estimate(a, one, name), _estimate(b, other, name)
        if first is None or second is None:
            continue
        gain = second.gain_over(first, resamples)
        gaps = [y - x for x, y in zip(first.scores[0], second.scores[0], strict=True)]
        better = sum(gap < -_SAME for gap in gaps), sum(gap > _SAME for gap in gaps)
        metrics[name] = Difference(first.mean, second.mean, gain["mean"], gain["low"], gain["high"], *better)
    items = [{item.id: item for item in member.items} for member in (one, other)]
    answers = [a.answers(one.role), b.answers(other.role)]

    def gap(scene: str) -> float:
        return abs(getattr(items[0][scene], _LEADING) - getattr(items[1][scene], _LEADING))

    scenes = [
        Scene(i, *(Side(_scores(by_id[i]), said.get(i)) for by_id, said in zip(items, answers, strict=True)))
        for i in sorted(items[0], key=lambda i: (-gap(i), i))[:worst]
        if gap(i) > _SAME
    ]
    return MemberPair((one.role, other.role), (one.model, other.model), metrics, scenes)


def _estimate(run: Scored, member: MemberMetrics, metric: str) -> Estimate | None:
    summary = getattr(member.summary, metric)
    if summary is None:
        return None
    scores = tuple(_scores(item)[metric] for item in sorted(member.items, key=lambda item: item.id))
    return Estimate(summary.mean, summary.low, summary.high, summary.n, (run.metrics.run,), (scores,))


def _scores(item: Item) -> dict[str, float]:
    """Scores of one scene by metric; an action is right or wrong, 1 or 0."""
    values = {name: getattr(item, "action_correct" if name == "action_accuracy" else name) for name in METRICS}
    return {name: float(value) for name, value in values.items() if value is not None}


def _table(pair: MemberPair) -> Iterator[str]:
    yield "  ".join(
        f"{letter} {role} {model}" for letter, role, model in zip("AB", pair.roles, pair.models, strict=True)
    )
    yield f"  {'':<16} {'A':>6} {'B':>6}  {'B - A':<25} {'A better':>9} {'B better':>9}"
    for name, d in pair.metrics.items():
        mark = "↑" if d.low > 0 else "↓" if d.high < 0 else "†"
        gain = f"{d.difference:+.3f} [{d.low:+.3f}, {d.high:+.3f}] {mark}"
        yield f"  {METRICS[name]:<16} {d.a:6.3f} {d.b:6.3f}  {gain:<25} {d.a_better:>9} {d.b_better:>9}"


def _scenes(pair: MemberPair) -> Iterator[str]:
    if not pair.worst:
        return
    yield f"  scenes that differ most in {METRICS[_LEADING]}:"
    width = max(len(scene.id) for scene in pair.worst)
    for scene in pair.worst:
        for label, letter, side in ((scene.id, "A", scene.a), ("", "B", scene.b)):
            answer = "" if side.answer is None else " ".join(side.answer.split()) or "(empty)"
            yield f"  {label:<{width}}  {letter} {side.scores[_LEADING]:.3f}  {answer}".rstrip()
