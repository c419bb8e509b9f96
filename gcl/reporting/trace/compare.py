"""Two scored runs side by side: `gcl compare`, here `compare(a, b, ...)` of two files from gcl/reporting/trace/scored.py.

It gives, for every metric and pair of members, both means and the difference B - A. The difference has the 95 % bootstrap
interval of the paired differences over test scenes, as in the tables. It also counts the scenes on which each is better, and
lists those that differ most.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gcl.errors import ConfigError, DataError
from gcl.evaluation.bootstrap import group_weights, paired_difference
from gcl.reporting.metrics_file import SAME, MemberMetrics
from gcl.reporting.tables.markup import MARKS
from gcl.reporting.trace.scored import ScoredRun


@dataclass(frozen=True)
class MetricDifference:
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
class DifferentScene:
    """A scene on which two members differ."""

    id: str
    a: Side
    b: Side


@dataclass(frozen=True)
class MemberPair:
    """Two members.

    Attributes:
        headers: of the metrics, in print.
        metrics: differences by metric.
        worst: the scenes that differ most in the first metric.
    """

    roles: tuple[str, str]
    models: tuple[str, str]
    headers: Mapping[str, str]
    metrics: Mapping[str, MetricDifference]
    worst: Sequence[DifferentScene]


@dataclass(frozen=True)
class Comparison:
    """Two runs, A first: ids, metrics files, number of test scenes, other differences, and the members compared."""

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


def compare(
    a: ScoredRun, b: ScoredRun, *, members: Sequence[str] | None = None, worst: int = 5, resamples: int = 2000
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
    pairs = [_pair(a, one, b, other, worst, resamples) for one, other in _members(a, b, members)]
    # These do not forbid the comparison, but may explain different scores.
    differing = [what for what, value in a.noted.items() if what in b.noted and value != b.noted[what]]
    notes = [f"the two were made with different {what}" for what in differing]
    return Comparison((a.file.run, b.file.run), (str(a.path), str(b.path)), len(a.file.members[0].items), notes, pairs)


def _check(a: ScoredRun, b: ScoredRun) -> None:
    for what, value in a.needed.items():
        if value != b.needed.get(what):
            raise DataError(
                f"{a.path} and {b.path} were scored with different {what}. Their difference means nothing; compare runs of "
                f"one data set and scale, or bring both up to date with: snakemake --cores 2 {a.path} {b.path}"
            )
    scenes = {frozenset(item.id for item in member.items) for one in (a, b) for member in one.file.members}
    if len(scenes) > 1:
        raise DataError(f"{a.path} and {b.path} do not hold the same scenes; make both again with snakemake")
    if not a.headers.keys() & b.headers.keys():
        raise DataError(
            f"{a.path} and {b.path} have no metric in common ({', '.join(a.headers)}; {', '.join(b.headers)}); compare "
            "answers to the same question"
        )


def _members(a: ScoredRun, b: ScoredRun, roles: Sequence[str] | None) -> list[tuple[MemberMetrics, MemberMetrics]]:
    for run, role in zip((a, b), roles or (), strict=False):
        if role not in (member.role for member in run.file.members):
            raise ConfigError(f"--members: {run.file.run} has no member {role!r}; it has {_listed(run)}")
    if roles is not None:
        return [(a.file.member(roles[0]), b.file.member(roles[1]))]
    pairs = []
    for one in a.file.members:
        same = [other for other in b.file.members if other.model == one.model]
        # Where a model competes with itself, learner goes with learner.
        pairs += [(one, other) for other in [m for m in same if m.role == one.role] or same]
    if not pairs:
        raise ConfigError(
            f"no model is in both runs; name a member of each, such as --members {a.file.members[0].role} "
            f"{b.file.members[0].role} ({a.file.run} has {_listed(a)}; {b.file.run} has {_listed(b)})"
        )
    return pairs


def _listed(run: ScoredRun) -> str:
    return ", ".join(f"{member.role} {member.model}" for member in run.file.members)


def _pair(
    a: ScoredRun, one: MemberMetrics, b: ScoredRun, other: MemberMetrics, worst: int, resamples: int
) -> MemberPair:
    headers = {name: text for name, text in a.headers.items() if name in b.headers}
    scores = [{item.id: {name: item.scores[name] for name in headers} for item in m.items} for m in (one, other)]
    groups = {item.id: item.group for item in one.items}
    scenes = sorted(groups)
    weights = group_weights([groups[scene] for scene in scenes])
    metrics = {}
    for name in headers:
        before, after = ([by_scene[scene][name] for scene in scenes] for by_scene in scores)
        gaps = [y - x for x, y in zip(before, after, strict=True)]
        gain = paired_difference([[w * gap for w, gap in zip(weights, gaps, strict=True)]], resamples)
        means = (member.summary[name].mean for member in (one, other))
        better = sum(gap < -SAME for gap in gaps), sum(gap > SAME for gap in gaps)
        metrics[name] = MetricDifference(*means, gain["mean"], gain["low"], gain["high"], *better)
    leading, answers = next(iter(headers)), [a.answers(one.role), b.answers(other.role)]
    gap = {scene: abs(scores[0][scene][leading] - scores[1][scene][leading]) for scene in scenes}
    differing = [
        DifferentScene(i, *(Side(by_scene[i], said.get(i)) for by_scene, said in zip(scores, answers, strict=True)))
        for i in sorted(scenes, key=lambda i: (-gap[i], i))[:worst]
        if gap[i] > SAME
    ]
    return MemberPair((one.role, other.role), (one.model, other.model), headers, metrics, differing)


def _table(pair: MemberPair) -> Iterator[str]:
    yield "  ".join(
        f"{letter} {role} {model}" for letter, role, model in zip("AB", pair.roles, pair.models, strict=True)
    )
    yield f"  {'':<22} {'A':>6} {'B':>6}  {'B - A':<25} {'A better':>9} {'B better':>9}"
    for name, d in pair.metrics.items():
        mark = MARKS["better" if d.low > 0 else "worse" if d.high < 0 else "open"]
        gain = f"{d.difference:+.3f} [{d.low:+.3f}, {d.high:+.3f}] {mark}"
        yield f"  {pair.headers[name]:<22} {d.a:6.3f} {d.b:6.3f}  {gain:<25} {d.a_better:>9} {d.b_better:>9}"


def _scenes(pair: MemberPair) -> Iterator[str]:
    if not pair.worst:
        return
    leading, header = next(iter(pair.headers.items()))
    yield f"  scenes that differ most in {header}:"
    width = max(len(scene.id) for scene in pair.worst)
    for scene in pair.worst:
        for label, letter, side in ((scene.id, "A", scene.a), ("", "B", scene.b)):
            answer = "" if side.answer is None else " ".join(side.answer.split()) or "(empty)"
            yield f"  {label:<{width}}  {letter} {side.scores[leading]:.3f}  {answer}".rstrip()
