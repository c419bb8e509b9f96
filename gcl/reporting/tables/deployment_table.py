"""Score against latency, memory and energy, by member and format: `deployment_table(experiment, results)`."""

from pathlib import Path

from gcl.evaluation.metric_registry import ranking
from gcl.experiment.schema import SCALES, Experiment
from gcl.reporting.deployment_results import DeploymentResults, FormatResult, read_deployment
from gcl.reporting.tables.assemble import MARKS_NOTE, identity, row, score_cell, score_column
from gcl.reporting.tables.result_table import Cell, ResultColumn, ResultTable

TITLE = "Members for robots: score against latency, memory and energy"
MEASURED = {
    "first_token_s": "First token, s",
    "tokens_per_s": "Tokens/s",
    "action_s": "Action, s",
    "turns_s": "All turns, s",
    "memory_mib": "Peak memory, MiB",
    "growth_mib": "of it the model's, MiB",
    "energy_j": "Energy, J",
}
NOT_TOLD = "not told"


def deployment_table(experiment: Experiment, results: Path) -> ResultTable:
    """One row for each member and format.

    Raises:
        DataError: if reports of answers or measurements are missing.
    """
    found = read_deployment(experiment, results)
    name, _ = ranking(experiment, experiment.deployment.dataset.value)
    told = {measure for one in found.results for measure, value in one.measures.items() if value is not None}
    columns = [
        *identity("dataset", "method", "model", "role"),
        ResultColumn(name="format", header="Format", kind="text", identity=True),
        score_column(name, found.header),
        ResultColumn(name="different", header="Other answers", kind="text"),
        ResultColumn(name="size_mib", header="Disk, MiB", kind="size"),
        *(
            ResultColumn(name=measure, header=header, kind="measure" if measure in told else "text")
            for measure, header in MEASURED.items()
        ),
    ]
    rows = []
    for one in found.results:
        score = score_cell(
            one.score, None if one.score is one.reference else one.reference, experiment.evaluation.bootstrap.value
        )
        rows.append(row(_words(experiment, one) | {name: score} | _measures(one, told), [one.score], 1))
    return ResultTable(
        name="deployment",
        title=TITLE,
        scale=experiment.scale,
        warning=SCALES[experiment.scale] or "",
        notes=_notes(found),
        columns=columns,
        rows=rows,
    )


def _words(experiment: Experiment, one: FormatResult) -> dict[str, Cell]:
    return {
        "dataset": experiment.deployment.dataset.value,
        "method": one.member.name,
        "model": one.model,
        "role": one.member.role,
        "format": one.format,
        "different": f"{one.different} of {one.asked}",
        "size_mib": one.size,
    }


def _measures(one: FormatResult, told: set[str]) -> dict[str, Cell]:
    return {name: one.measures[name] if name in told else NOT_TOLD for name in MEASURED}


def _notes(found: DeploymentResults) -> list[str]:
    settings, machine = found.settings, found.machine
    gpus = ", ".join(machine["gpus"]) or "no GPU"
    return [
        f"{found.header}: 95 % bootstrap interval over {found.results[0].score.scenarios} test scenarios; one training. "
        + MARKS_NOTE.format(control="the same member in float32"),
        "Other answers: those of all turns that differ from the same member's in float32, by a single letter or more.",
        f"Times: geometric means, 95 % intervals by Student's t of logarithms over {settings['repetitions']} processes, "
        f"each with {settings['scenes']} scene(s) after one that warms up, pictures of {settings['width']} x "
        f"{settings['height']}, one question at a time, {settings['threads']} thread(s). First token and action: from the "
        "picture's file to the first token and to the whole answer about the action.",
        "Peak memory has Python and its libraries in it. The model's part came after their import. It includes a runtime's "
        "own library.",
        f"Energy: of processors and GPUs for the action and all turns of a scene; {NOT_TOLD} where counters are hidden.",
        f"Measured on: {machine['cpu']}, {machine['cores']} cores, {gpus}.",
    ]
