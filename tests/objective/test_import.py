"""The objective can be used in other programs: it needs torch alone."""

import subprocess
import sys

OTHERS = ("transformers", "pydantic", "yaml", "deepspeed", "snakemake", "pandas", "PIL")


def test_importing_the_objective_imports_torch_and_nothing_else_that_is_installed():
    program = f"""
import sys
from gcl.objective import competitive_head, group_loss, semantic_loss
loaded = {{name.partition(".")[0] for name in sys.modules}}
assert "torch" in loaded and not loaded & set({OTHERS!r}), sorted(loaded & set({OTHERS!r}))
ours = sorted(name for name in sys.modules if name.startswith("gcl.") and not name.startswith("gcl.objective"))
assert ours == ["gcl.errors", "gcl.experiment", "gcl.experiment.divergences"], ours
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
