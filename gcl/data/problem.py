"""A finding about data, in fields: `Problem`. `str()` makes the line that a user reads."""

from dataclasses import dataclass

from gcl.errors import DataError


@dataclass(frozen=True)
class Problem:
    """A finding: a mistake, or a fact that a person should judge."""

    place: str  # file and line
    field: str  # of the scene or record, or ""
    what: str  # is wrong or odd
    remedy: str = ""  # what to do; "" where `what` says it
    kind: str = "format"  # one of `KINDS` in gcl/data/validation/problem_kinds.py

    def __str__(self) -> str:
        said = ": ".join(filter(None, (self.place, self.field, self.what)))
        return f"{said}; {self.remedy}" if self.remedy else said


class GeneralProblem(Problem):
    """A finding about a whole file, all pictures or the mapping, not about single records."""


class ProblemError(DataError):
    """A file cannot be read on; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem
