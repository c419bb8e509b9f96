"""All methods: `find_run(experiment, id)` gives the run of an id, also of one that no table asks for.

Every file of this folder that has `METHODS` adds its own, so a new method is a new file.
"""

import importlib
import pkgutil

from gcl.errors import ConfigError
from gcl.experiment import methods
from gcl.experiment.methods.parts import Method
from gcl.experiment.places import PLANNING
from gcl.experiment.runs import FORM, RunId, RunSpec
from gcl.experiment.schema import Experiment


def _methods() -> dict[str, Method]:
    names = [info.name for info in pkgutil.iter_modules(methods.__path__, f"{methods.__name__}.")]
    modules = [importlib.import_module(name) for name in names if name != __name__]
    return {method.name: method for module in modules for method in getattr(module, "METHODS", [])}


METHODS = _methods()


def find_run(experiment: Experiment, run_id: str) -> RunSpec:
    """The run of an id.

    Raises:
        ConfigError: if the id does not name a run that can be made from the configuration.
    """
    ref = RunId.parse(run_id)
    kinds = [("data set", ref.dataset, [*experiment.datasets, PLANNING]), ("method", ref.method, METHODS)]
    kinds += [("model", model, experiment.models) for model in ref.models]
    for kind, name, known in kinds:
        if name not in known:
            raise ConfigError(f"{run_id!r}: unknown {kind} {name!r}; use one of {', '.join(known)}")
    method, planning = METHODS[ref.method], ref.dataset == PLANNING
    if method.planning is not None and method.planning != planning:
        fitting = [other.name for other in METHODS.values() if other.planning in (None, planning)]
        raise ConfigError(f"{run_id!r}: {method.name} is no method for {ref.dataset}; use one of {', '.join(fitting)}")
    least, most = method.members
    if not least <= len(ref.models) <= most:
        wanted = "one model" if most == 1 else f"{least} to {most} models" if least < most else f"{least} models"
        raise ConfigError(f"{run_id!r}: {method.name} has {wanted}; the form is {FORM}")
    return method.make(experiment, ref)
