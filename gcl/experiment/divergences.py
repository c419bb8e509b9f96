"""Names of the divergences between members, read from gcl/objective/drl.py, which imports torch; and those of L_GSL.

A new divergence is a function there and its line in `DIVERGENCES`; settings know it by that.
"""

import ast
from pathlib import Path
from typing import Literal

_FILE = Path(__file__).parents[1] / "objective/drl.py"


def _names(table: str) -> tuple[str, ...]:
    """Keys of a table of that file."""
    for node in ast.parse(_FILE.read_bytes()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and ast.unparse(node.targets[0]) == table:
            return tuple(ast.literal_eval(key) for key in node.value.keys if key is not None)
    raise AssertionError(f"{_FILE}: no table {table}")


Divergence = Literal[_names("DIVERGENCES")]  # type: ignore[valid-type]
SampledDivergence = Literal[_names("SAMPLED")]  # type: ignore[valid-type]  # of tokens that the learning member has drawn
Matching = Literal["infonce", "cosine"]  # kinds of L_GSL, from gcl/objective/gsl.py
