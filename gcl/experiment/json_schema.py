"""The schema of config.yaml for editors: `config_schema()` is a JSON Schema, made from the model that checks settings.

`make schema` writes it to workflow/schemas/config.schema.json. The scales' files and files for `--configfile` have the same
form. Each of them is a part of the whole, so the schema requires no section. Of a setting it requires a value and an origin.
"""

from typing import Any

from gcl.experiment.schema import Experiment
from gcl.experiment.types import ORIGINS


def config_schema() -> dict[str, Any]:
    """The schema of config.yaml, and of any file that is laid over it."""
    schema = Experiment.model_json_schema()
    for name, part in [("", schema), *schema["$defs"].items()]:
        properties = part.get("properties", {})
        if name.startswith("Setting_"):
            part["required"] = ["value"]
            part["oneOf"] = [{"required": [origin]} for origin in ORIGINS]
            for origin in ORIGINS:
                properties[origin] = {"type": "string"}
        elif part is schema or any("Setting_" in str(child) for child in properties.values()):
            part.pop("required", None)
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "In a scale's file: the scale that it is laid over.",
    }
    schema["title"] = "config.yaml"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
