"""The members of a finished group as its training left them, to look inside: `trained_members(run, here)`.

They are the training's own class, so hidden states and precision are those of the loss.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gcl.data.encoding import Encoder, collate
from gcl.data.scenario import Exchange
from gcl.errors import CheckpointError
from gcl.experiment.places import Places
from gcl.experiment.runs import RunSpec
from gcl.models.preprocessor import EncodedPictures
from gcl.objective.group import MemberOutput
from gcl.training.alignment import Alignment
from gcl.training.member import Member, answers
from gcl.training.semantic_heads import load_head


class ReadExchange(NamedTuple):
    """One exchange as a member reads it, the reference answer included.

    Attributes:
        ids: its tokens [T].
        answered: which of them are the answer, its end included [T].
        pictures: as they were encoded; None without any.
        hidden_TD: last hidden states of all tokens; None without a semantic head.
        output: for the objective.
    """

    ids: Tensor
    answered: Tensor
    pictures: EncodedPictures | None
    hidden_TD: Tensor | None
    output: MemberOutput


def trained_members(run: RunSpec, here: Places) -> list[Member]:
    """Load all members of a group, with their semantic heads; teachers, who did not learn, from their start.

    Args:
        run: the training.
        here: where its checkpoints are.

    Raises:
        CheckpointError: if a member's weights are not there.
    """
    # Adapters are merged into the weights that are loaded.
    training = run.training.model_copy(update={"lora": None})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    members = []
    for spec in run.members:
        weights = here.weights(spec.start) if spec.frozen else here.answering(run, spec.role)
        if weights.revision is None and not Path(weights.path).is_dir():
            raise CheckpointError(
                f"{weights.path}: no such folder; make it with: snakemake --cores 2 {here.metrics(run.id)}, and with "
                "execution.retain: final, which keeps weights"
            )
        member = Member.load(spec, weights, training, semantic_size=None, seed=0)
        member.semantic_head = load_head(here.checkpoints(run.id) / spec.role)
        member.place(device, offload=False)
        members.append(member.eval())
    return members


@torch.no_grad()
def read(member: Member, exchange: Exchange) -> ReadExchange:
    """Run a member over one question with its reference answer, as a training pass does."""
    sample = member.encoder.sample(exchange)
    device = member.head.device
    batch = {name: tensor.to(device) for name, tensor in collate([sample], member.encoder, left_padded=False).items()}
    seen: list[Tensor] = []
    hook = member.semantic_head and member.semantic_head.register_forward_hook(
        lambda _, given, __: seen.append(given[0][0])
    )
    hidden_ND, head_VD, semantic_BE = member(batch)
    if hook:
        hook.remove()
    output = MemberOutput(hidden_ND, head_VD, answers(batch), semantic_BE)
    answered = torch.tensor([label == token for label, token in zip(sample.labels, sample.ids, strict=True)])
    return ReadExchange(torch.tensor(sample.ids), answered, sample.pictures, seen[0] if seen else None, output)


def compared_rows(alignment: Alignment, encoders: list[Encoder], exchange: Exchange) -> list[list[int]]:
    """Per member the rows of one answer that L_DRL compares, in the order in which they correspond."""
    own = [encoder.answer(exchange.answer) for encoder in encoders]
    rows = alignment.rows(encoders, [[tokens] for tokens in own])
    return [list(range(len(own[0])))] * len(own) if rows is None else [rows_R.tolist() for rows_R in rows]
