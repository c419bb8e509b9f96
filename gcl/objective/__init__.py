"""The Group Competitive Objective in any loop of torch: `from gcl.objective import competitive_head, group_loss`.

It needs torch alone. `competitive_head` is L_SFT and L_DRL in one pass, `group_loss` the whole sum with L_GSL.
"""

from gcl.objective.events import Events, Slice
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.objective.gsl import SemanticHead, semantic_loss
from gcl.objective.head import competitive_head

__all__ = [
    "Events",
    "MemberOutput",
    "SemanticHead",
    "Share",
    "Slice",
    "competitive_head",
    "group_loss",
    "semantic_loss",
]
