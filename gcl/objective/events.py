"""The two things that L_DRL can compare on one row: leading token ids, or events of members with unlike tokenizers.

    Slice(vocabulary)               the first ids, which mean the same to every member; each row of all members is compared
    Events(ids_KE, vocabularies)    the tokens that mean the same string to every member, wherever they stand

With `Events` a member's distribution over its real vocabulary is coarsened to E shared tokens and one more event, the
*rest*. So it stays a distribution, and every divergence of `drl.py` can compare it. With logits z and temperature tau, these
are the logits of the coarse distribution:

    c = [z[ids], tau * logsumexp(z[rest] / tau)]

Its gradient goes back to the logits in closed form. Shared tokens have their own. Token j of the rest has the part
softmax(z[rest] / tau)_j of the rest's. Coarser events never have a larger divergence (data processing inequality).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gcl.experiment.divergences import Divergence, SampledDivergence
from gcl.objective.drl import SAMPLED, divergence_, log_probabilities
from gcl.objective.uld import sorted_distance

# Log-probability of a rest without tokens, beside members who have some. Its exponential is 0 in float64, too.
NEVER = -1e4
# Logits that are handled at a time. A CPU's stay in its cache; an accelerator's scratch stays small beside a chunk.
BLOCKS = {"cpu": 2**21}
BLOCK = 2**24
Kind = Divergence | SampledDivergence


@dataclass(frozen=True)
class Slice:
    """The leading token ids that mean the same to every member; other rows of a head get no probability."""

    vocabulary: int

    def to(self, device: torch.device) -> "Slice":
        """The same on another device: it has no tensors."""
        return self

    def check(self, heights: Sequence[int], kind: Kind) -> None:
        """Refuse heads of these heights that lack an id.

        Raises:
            ValueError: naming the number of ids.
        """
        if not 1 <= self.vocabulary <= min(heights):
            raise ValueError(
                f"the shared vocabulary of {self.vocabulary} ids does not fit a head of {min(heights)} rows"
            )

    def compare(
        self,
        logits_KNV: Sequence[Tensor],
        taus: Sequence[float],
        wanted: Sequence[bool],
        kind: Kind,
        labels_N: Tensor,
    ) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
        """As `Events.compare`; nothing is left out, so no probability is reported."""
        logp_KNV = [
            log_probabilities(z_NV[:, : self.vocabulary], tau) for z_NV, tau in zip(logits_KNV, taus, strict=True)
        ]
        value, gradients = divergence_(logp_KNV, taus, wanted, kind, labels_N)
        return value, [], gradients

    def add_(self, k: int, d_logits_NV: Tensor, gradient_NV: Tensor, weight: float) -> None:
        """Add a gradient of `compare` to that by member k's logits."""
        d_logits_NV[:, : self.vocabulary].add_(gradient_NV, alpha=weight)


@dataclass(frozen=True, eq=False)
class Events:
    """Tokens that mean the same string to every member.

    Attributes:
        ids_KE: per member the token ids [E], each once; entry e of every member is the same string.
        vocabularies: per member the number of its real tokens. Rows of the head behind them get no probability.
    """

    ids_KE: tuple[Tensor, ...]
    vocabularies: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse lists that do not belong together.

        Raises:
            ValueError: naming the member.
        """
        if not len(self.ids_KE) == len(self.vocabularies) >= 1:
            raise ValueError(f"{len(self.ids_KE)} lists of shared tokens for {len(self.vocabularies)} vocabularies")
        for k, (ids_E, size) in enumerate(zip(self.ids_KE, self.vocabularies, strict=True)):
            if ids_E.shape != self.ids_KE[0].shape or ids_E.ndim != 1 or not len(ids_E):
                shapes = [tuple(ids_E.shape) for ids_E in self.ids_KE]
                raise ValueError(
                    f"member {k}: all need the same number of shared tokens, at least one; got shapes {shapes}"
                )
            if int(ids_E.min()) < 0 or int(ids_E.max()) >= size:
                raise ValueError(f"member {k}: a shared token lies outside its vocabulary of {size} tokens")
            if len(ids_E.unique()) < len(ids_E):
                raise ValueError(f"member {k}: a token is shared twice, but it means one string")

    def to(self, device: torch.device) -> "Events":
        """The same on another device."""
        return Events(tuple(ids_E.to(device) for ids_E in self.ids_KE), self.vocabularies)

    @property
    def shared(self) -> int:
        """E, the number of shared tokens; also the column of the rest."""
        return len(self.ids_KE[0])

    @property
    def events(self) -> int:
        """Number of events: without a rest, if no member has one."""
        return self.shared + any(size > self.shared for size in self.vocabularies)

    @cached_property
    def columns(self) -> list[Tensor]:
        """Per member, which logits stand in the columns of its buffer.

        It has the shared tokens, a place for the rest if there is one, and the tokens of the rest.
        """
        found = []
        for ids_E, size in zip(self.ids_KE, self.vocabularies, strict=True):
            alone_V = torch.ones(size, dtype=torch.bool, device=ids_E.device)
            alone_V[ids_E] = False
            place = ids_E[: self.events - self.shared]
            found.append(torch.cat([ids_E, place, alone_V.nonzero()[:, 0]]))
        return found

    @cached_property
    def places(self) -> list[Tensor]:
        """Per member, the column of each token in its buffer."""
        found = []
        for columns, size in zip(self.columns, self.vocabularies, strict=True):
            place_V = torch.empty(size, dtype=torch.long, device=columns.device)
            numbers = torch.arange(len(columns), device=columns.device)
            for part in (slice(self.shared), slice(self.events, None)):
                place_V[columns[part]] = numbers[part]
            found.append(place_V)
        return found

    def check(self, heights: Sequence[int], kind: Kind) -> None:
        """Refuse heads of these heights, or a divergence that would be infinite.

        Raises:
            ValueError: naming the member.
        """
        if len(heights) != len(self.vocabularies):
            raise ValueError(f"events of {len(self.vocabularies)} members for a group of {len(heights)}")
        for k, (size, height) in enumerate(zip(self.vocabularies, heights, strict=True)):
            if size > height:
                raise ValueError(f"member {k}: a vocabulary of {size} tokens does not fit a head of {height} rows")
            if size == self.shared < self.events and not kind.startswith("jsd"):
                raise ValueError(
                    f"{kind}: member {k} shares all of its tokens and another member does not, so this divergence is "
                    "infinite; use jsd"
                )

    def compare(
        self,
        logits_KNV: Sequence[Tensor],
        taus: Sequence[float],
        wanted: Sequence[bool],
        kind: Kind,
        labels_N: Tensor,
    ) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
        """Divergence over the events, summed over N rows.

        Args:
            logits_KNV: per member [N, V_k], left unchanged; padding rows of the head may follow.
            taus, wanted, kind: as `drl.divergence_`.
            labels_N: the first member's tokens. Only the sampled divergence uses them; then that member has drawn them.

        Returns:
            The sum as a float64 scalar. Per member the probability of its shared tokens at its own tau, summed over rows.
            Per member the gradient for `add_`, or None.

        Raises:
            ValueError: as `drl.divergence_`, and if a drawn token lies outside the vocabulary.
        """
        buffers = [self._coarse(k, z_NV, tau) for k, (z_NV, tau) in enumerate(zip(logits_KNV, taus, strict=True))]
        logp_KNE = [buffer[:, : self.events] for buffer in buffers]
        # Copied, since the divergence overwrites its arguments.
        rest_KN = [logp_NE[:, self.shared :].exp().sum(dim=-1) for logp_NE in logp_KNE]
        compared = [(1 - rest_N.double()).sum() for rest_N in rest_KN]
        events_N = self._events_of(labels_N) if kind in SAMPLED else None
        value, gradients = divergence_(logp_KNE, taus, wanted, kind, events_N)
        for k, gradient_NE in enumerate(gradients):
            if gradient_NE is not None:
                logp_KNE[k].copy_(gradient_NE)  # by the events; often this very buffer already
        del gradients
        matched: list[Tensor | None] = [None] * len(taus)
        for rows in _blocks(max(buffers, key=Tensor.numel)):
            if kind == "jsd+uld" and self.events > self.shared:
                p_KNR = [
                    b[rows, self.events :] * rest_N[rows, None] for b, rest_N in zip(buffers, rest_KN, strict=True)
                ]
                distance, matched = sorted_distance(p_KNR, taus, wanted)
                value += distance
            for k, buffer in enumerate(buffers):
                if wanted[k]:
                    self._to_tokens_(k, buffer[rows], logits_KNV[k][rows], taus[k], rest_KN[k][rows], matched[k])
        return value, compared, [buffer if needed else None for buffer, needed in zip(buffers, wanted, strict=True)]

    def add_(self, k: int, d_logits_NV: Tensor, gradient_NV: Tensor, weight: float) -> None:
        """Add a gradient of `compare` to that by member k's logits."""
        for rows in _blocks(gradient_NV):
            by_token_NV = gradient_NV[rows].index_select(1, self.places[k])
            d_logits_NV[rows, : self.vocabularies[k]].add_(by_token_NV, alpha=weight)

    def _events_of(self, labels_N: Tensor) -> Tensor:
        """Events of the first member's tokens."""
        if len(labels_N) and int(labels_N.max()) >= self.vocabularies[0]:
            raise ValueError(f"member 0 has drawn a token outside its vocabulary of {self.vocabularies[0]} tokens")
        return self.places[0][labels_N].clamp_(max=self.shared)

    def _coarse(self, k: int, logits_NV: Tensor, tau: float) -> Tensor:
        """Member k's buffer: log-probabilities of the events, then softmax(z[rest] / tau) of the tokens in the rest."""
        dtype = torch.promote_types(logits_NV.dtype, torch.float32)
        buffer_NV = torch.empty(len(logits_NV), len(self.columns[k]), dtype=dtype, device=logits_NV.device)
        for rows in _blocks(buffer_NV):
            block_NV = buffer_NV[rows]
            block_NV.copy_(logits_NV[rows].index_select(1, self.columns[k])).div_(tau)
            logp_NE, rest_NR = block_NV[:, : self.events], block_NV[:, self.events :]
            if rest_NR.shape[1]:
                highest_N1 = rest_NR.amax(dim=-1, keepdim=True)
                norm_N1 = rest_NR.sub_(highest_N1).exp_().sum(dim=-1, keepdim=True)
                rest_NR.div_(norm_N1)
                logp_NE[:, self.shared :] = norm_N1.log_().add_(highest_N1)
            elif self.events > self.shared:
                logp_NE[:, self.shared] = -torch.inf
            # As log_softmax computes it: from the largest logit, so that its size costs no digits.
            logp_NE.sub_(logp_NE.amax(dim=-1, keepdim=True))
            logp_NE.sub_(logp_NE.exp().sum(dim=-1, keepdim=True).log_())
            if not rest_NR.shape[1]:
                logp_NE[:, self.shared :] = NEVER
        return buffer_NV

    def _to_tokens_(
        self, k: int, buffer_NV: Tensor, logits_NV: Tensor, tau: float, rest_N: Tensor, matched_NR: Tensor | None
    ) -> None:
        """Turn gradients by the events in member k's buffer into gradients by its tokens' logits.

        Let pi be the probability of the rest, s the softmax in it, and g the gradient of the matching by pi s. The matching
        adds pi / tau (s.g) (e_rest - P) to the gradient by the events, and pi / tau s_j (g_j - s.g) to token j of the rest.
        """
        d_events_NE, softmax_NR = buffer_NV[:, : self.events], buffer_NV[:, self.events :]
        if matched_NR is None:
            softmax_NR.mul_(d_events_NE[:, self.shared :])
            return
        scale_N1 = rest_N[:, None] / tau
        mean_N1 = (softmax_NR * matched_NR).sum(dim=-1, keepdim=True)
        p_NE = self._coarse(k, logits_NV, tau)[:, : self.events].exp_()
        d_events_NE.addcmul_(p_NE, mean_N1 * scale_N1, value=-1)
        d_events_NE[:, self.shared :].add_(mean_N1 * scale_N1)
        softmax_NR.mul_(matched_NR.sub_(mean_N1).mul_(scale_N1).add_(d_events_NE[:, self.shared :]))


Compared = Slice | Events


def _blocks(buffer_NV: Tensor) -> list[slice]:
    """Rows that are handled at a time."""
    count, width = buffer_NV.shape
    size = max(1, BLOCKS.get(buffer_NV.device.type, BLOCK) // width)
    return [slice(start, start + size) for start in range(0, count, size)]
