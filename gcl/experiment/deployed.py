"""The members that the section `deployment` names, with their runs: `deployed_members(experiment)`. Also its mistakes."""

from collections.abc import Iterator

from gcl.errors import ConfigError
from gcl.experiment.deployment_schema import DeployedMember
from gcl.experiment.methods.registry import find_run
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment

REFERENCE = "float32"


def deployed_run(experiment: Experiment, member: DeployedMember) -> RunSpec:
    """The run of a member; base models are asked once, whatever the seed.

    Raises:
        ConfigError: if there is no such run, or it has no member of this role.
    """
    settings = experiment.deployment
    seed = 0 if member.run.startswith("base/") else settings.seed.value
    run = find_run(experiment, f"{settings.dataset.value}/{member.run}/seed{seed}")
    roles = [asked.role for asked in run.asked]
    if member.role not in roles:
        raise ConfigError(f"{member.run!r} has no member {member.role!r}; use one of {', '.join(roles)}")
    return run


def deployed_members(experiment: Experiment) -> list[tuple[DeployedMember, RunSpec]]:
    """All members with their runs, in the order of the table."""
    return [(member, deployed_run(experiment, member)) for member in experiment.deployment.members.value]


def deployment_problems(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Yield (path, message) for each mistake in `deployment`, where everything else is right."""
    settings, path = experiment.deployment, ["deployment"]
    if settings.dataset.value not in experiment.datasets:
        known = ", ".join(experiment.datasets)
        yield [*path, "dataset", "value"], f"unknown data set {settings.dataset.value!r}; use one of {known}"
        return
    formats, names = settings.formats.value, [member.name for member in settings.members.value]
    if formats[0] != REFERENCE:
        yield [*path, "formats", "value"], f"the others are compared with {REFERENCE}; put it first"
    if repeated := [name for name in formats if formats.count(name) > 1]:
        yield [*path, "formats", "value"], f"{repeated[0]!r} is listed twice; remove one"
    for number, member in enumerate(settings.members.value):
        if member.name in names[:number]:
            yield [*path, "members", "value", str(number)], f"{member.name!r} is already listed; give each its own name"
        try:
            deployed_run(experiment, member)
        except ConfigError as error:
            yield [*path, "members", "value", str(number), "run"], str(error)
