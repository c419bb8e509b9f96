"""Metadata of a deposit at Zenodo: `deposit(member, citation, licence, text)`, which becomes .zenodo.json.

Its fields are those of https://developers.zenodo.org/#representation. The creators are the authors of CITATION.cff alone.
"""

from typing import Any

from gcl.experiment.schema import SCALES
from gcl.experiment.weights import Weights
from gcl.publication.citation import Citation
from gcl.publication.licence import Licence
from gcl.publication.trained import TrainedMember


def deposit(member: TrainedMember, citation: Citation, licence: Licence, about: str) -> dict[str, Any]:
    """The metadata of one member; `about` is a sentence or two for people."""
    warning = SCALES[member.run.scale]
    name = f"{'Miniature ' * bool(warning)}{member.spec.model}"
    small = f"<p>{warning}</p>" if warning else ""
    return {
        "title": f"{name}, {member.spec.role} of {member.run.id}: weights, scores and provenance",
        "upload_type": "other",
        "description": f"{small}<p>{about}</p><p>Licence of the weights: {licence}.</p>",
        "creators": [{"name": author} for author in citation.program.authors],
        "access_right": "open",
        "license": licence.for_zenodo,
        "version": citation.program.version,
        "keywords": ["vision-language model", "Group Competitive Learning", member.run.dataset],
        "related_identifiers": list(_related(member, citation)),
    }


def _related(member: TrainedMember, citation: Citation) -> list[dict[str, str]]:
    found = []
    if citation.paper and citation.paper.arxiv:
        found.append({"identifier": f"arXiv:{citation.paper.arxiv}", "relation": "isSupplementTo", "scheme": "arxiv"})
    if isinstance(member.base, Weights) and member.base.revision:
        url = f"https://huggingface.co/{member.base.path}/tree/{member.base.revision}"
        found.append({"identifier": url, "relation": "isDerivedFrom", "scheme": "url"})
    return found
