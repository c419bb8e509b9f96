"""Mistakes in the configuration in words: `explain(problem, layers)` gives file and line, field, value, remedy in a line."""

import difflib
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from gcl.experiment.layers import Layers
from gcl.experiment.schema import Experiment


def explain(problem: Mapping[str, Any], layers: Layers) -> str:
    """One line for one of Pydantic's errors."""
    # Pydantic names the branch of a union in the path; it is no key of the file.
    path = [str(part) for part in problem["loc"] if part != "list[str]"]
    value, kind = problem["input"], problem["type"]
    field = ".".join(path)
    file = layers.place(path)
    if kind == "extra_forbidden":
        names = _keys_beside(path)
        close = difflib.get_close_matches(path[-1], names, n=1)
        remedy = (
            f"did you mean {close[0]!r}?" if close else f"remove it; known here: {', '.join(names) or 'nothing else'}"
        )
        return f"{file}: {field}: unknown key; {remedy}"
    if kind == "missing":
        return f'{file}: {field}: missing; add it, a setting as {path[-1]}: {{value: ..., assumed: "why"}}'
    if kind in ("float_type", "int_type") and isinstance(value, str):
        remedy = "write a number"
        with suppress(ValueError):
            if math.isfinite(float(value)):
                written = _yaml_number(value) if kind == "float_type" else value
                remedy = f"it is text; write {written} without quotes"
        return f"{file}: {field}: {shown(value)} is not a number; {remedy}"
    if kind == "model_type" and problem["ctx"]["class_name"].startswith("Setting["):
        return f'{file}: {field}: {shown(value)} has no origin; write {{value: {shown(value)}, assumed: "why"}}'
    if kind in ("model_type", "dict_type"):
        return f"{file}: {field}: {shown(value)} is not possible; write a mapping, `name: value` lines"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{file}: {field}: {shown(value)} is not possible; {message[:1].lower()}{message[1:]}"


def shown(value: Any) -> str:
    """A value in a message, however long it is."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _yaml_number(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    sign = "" if exponent.startswith(("-", "+")) else "+"
    return f"{mantissa}e{sign}{exponent}" if exponent else mantissa


def _keys_beside(path: list[str]) -> list[str]:
    """Names that the model knows where the last part of `path` stands."""
    node: Any = Experiment
    for part in path[:-1]:
        if isinstance(node, type) and issubclass(node, BaseModel):
            node = node.model_fields[part].annotation if part in node.model_fields else None
        elif get_origin(node) is dict:
            node = get_args(node)[1]
        elif get_origin(node) is list:
            node = get_args(node)[0]
        if get_origin(node) is Annotated:
            node = get_args(node)[0]
    options = [node, *get_args(node)]
    return [
        name
        for option in options
        if isinstance(option, type) and issubclass(option, BaseModel)
        for name in option.model_fields
    ]
