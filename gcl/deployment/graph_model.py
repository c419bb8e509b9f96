"""A model whose two graphs a runtime computes: `GraphModel(config, graphs)` has `generate`, as models of transformers do.

It does all that is left outside of the graphs (gcl/deployment/graphs.py). That is positions, masks, the places of pictures
among the tokens, and the greedy choice. So gcl.evaluation.generate asks it like any other member.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, GenerationConfig, PretrainedConfig

from gcl.deployment.graphs import ordered, pieces

_HIDDEN = -1e9  # is added to the attention score of a token that must not be seen; far below all others in float32


class Graphs(Protocol):
    """The two graphs of a model in some runtime."""

    def see(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Features of pictures [S, N, D] from the inputs of `VisionGraph`."""

    def start(self) -> None:
        """Forget all tokens."""

    def step(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits of the next token [B, V] from the inputs of `LanguageGraph` without `past`, which the runtime keeps."""


class GraphModel:
    """A model of graphs."""

    device = torch.device("cpu")  # where its inputs are wanted

    def __init__(self, config: PretrainedConfig, graphs: Graphs) -> None:
        self.config, self._graphs = config, graphs
        with torch.device("meta"):  # it knows positions of tokens, for which it needs no weights
            self._positions = AutoModelForImageTextToText.from_config(config).model.get_rope_index

    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        mm_token_type_ids: Tensor,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        *,
        generation_config: GenerationConfig,
        stopping_criteria: Any = None,
    ) -> Tensor:
        """Continue a left-padded batch greedily; return all tokens [B, T + new], as transformers does.

        Args:
            input_ids, attention_mask, mm_token_type_ids: [B, T], see `gcl.data.encoding.collate`.
            pixel_values, image_grid_thw: of all pictures; None where there are none.
            generation_config: from `gcl.data.decoding.greedy`.
            stopping_criteria: is called with all tokens after each new one; says which prompts [B] are not continued.
        """
        said_BT, ended_B = input_ids, torch.zeros(len(input_ids), dtype=torch.bool)
        known_BT = attention_mask
        positions_3BT, shift_B1 = self._positions(
            input_ids, mm_token_type_ids, image_grid_thw=image_grid_thw, attention_mask=attention_mask
        )
        self._graphs.start()
        logits_BV = self._graphs.step(self._prompt(input_ids, known_BT, positions_3BT, pixel_values, image_grid_thw))
        for number in range(1, generation_config.max_new_tokens + 1):
            next_B = logits_BV.argmax(dim=-1).masked_fill(ended_B, generation_config.pad_token_id)
            said_BT = torch.cat([said_BT, next_B[:, None]], dim=1)
            ended_B = ended_B | (next_B == generation_config.eos_token_id)
            if stopping_criteria is not None:
                ended_B = ended_B | stopping_criteria(said_BT, None)
            if ended_B.all() or number == generation_config.max_new_tokens:
                break
            known_BT = torch.cat([known_BT, known_BT.new_ones(len(known_BT), 1)], dim=1)
            position_B1 = known_BT.sum(dim=1, keepdim=True) - 1 + shift_B1
            logits_BV = self._graphs.step(self._token(next_B, known_BT, position_B1))
        return said_BT

    def _prompt(
        self,
        ids_BT: Tensor,
        known_BT: Tensor,
        positions_3BT: Tensor,
        patches_PK: Tensor | None,
        grid_I3: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """Inputs of the language graph for the prompts."""
        seen_BT = ids_BT == self.config.image_token_id
        features_SBTD = self._no_features(*ids_BT.shape)
        if patches_PK is not None and grid_I3 is not None:
            features_SBTD[:, seen_BT] = self._features(patches_PK, grid_I3)
        length = ids_BT.shape[1]
        causal_TT = torch.ones(length, length, dtype=torch.bool).tril()
        visible_B1TT = causal_TT & known_BT[:, None, None, :].bool()
        return ids_BT, seen_BT.float(), features_SBTD, positions_3BT, _mask(visible_B1TT)

    def _token(self, ids_B: Tensor, known_BT: Tensor, position_B1: Tensor) -> tuple[Tensor, ...]:
        """Inputs of the language graph for one new token of each prompt."""
        batch = len(ids_B)
        seen_B1, features_SB1D = torch.zeros(batch, 1), self._no_features(batch, 1)
        return (
            ids_B[:, None],
            seen_B1,
            features_SB1D,
            position_B1.expand(3, -1, -1),
            _mask(known_BT[:, None, None].bool()),
        )

    def _features(self, patches_PK: Tensor, grid_I3: Tensor) -> Tensor:
        """Features of all pictures, in the order of their tokens [S, N, D]."""
        vision = self.config.vision_config
        found = pieces(vision, grid_I3)
        patches_PK = ordered(patches_PK, found.order, vision.spatial_merge_size)
        return self._graphs.see((patches_PK, *found.inputs))[:, torch.argsort(found.order)]

    def _no_features(self, batch: int, tokens: int) -> Tensor:
        sets = 1 + len(getattr(self.config.vision_config, "deepstack_visual_indexes", ()))
        return torch.zeros(sets, batch, tokens, self.config.text_config.hidden_size)


def _mask(visible: Tensor) -> Tensor:
    return torch.zeros(visible.shape).masked_fill(~visible, _HIDDEN)
