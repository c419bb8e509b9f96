"""All methods: `find_run(experiment, id)` gives the run of an id, also of one that no table asks for.

Every file of this folder that has `METHODS` adds its own, so a new method is a new file.
"""

import importlib
import pkgutil

from gcl.errors import ConfigError
from gcl.experiment import methods
from gcl.experiment.methods.parts import Method
from gcl.experiment.places import KINDS, kind_of
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
    datasets = [*experiment.datasets, *KINDS]
    parts = [("data set", ref.dataset, datasets), ("method", ref.method, METHODS)]
    parts += [("model", model, experiment.models) for model in ref.models]
    for part, name, known in parts:
        if name not in known:
            raise ConfigError(f"{run_id!r}: unknown {part} {name!r}; use one of {', '.join(known)}")
    method, kind = METHODS[ref.method], kind_of(ref.dataset)
    if kind not in method.kinds:
        fitting = [other.name for other in METHODS.values() if kind in other.kinds]
        raise ConfigError(f"{run_id!r}: {method.name} is no method for {ref.dataset}; use one of {', '.join(fitting)}")
    least, most = method.members
    if not least <= len(ref.models) <= most:
        wanted = "one model" if most == 1 else f"{least} to {most} models" if least < most else f"{least} models"
        raise ConfigError(f"{run_id!r}: {method.name} has {wanted}; the form is {FORM}")
    return method.make(experiment, ref)
