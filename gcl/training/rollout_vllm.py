"""Answers drawn by vLLM, for GPUs: `VLLM(member, ...)` draws in place of `gcl.training.rollout.roll_out`.

vLLM keeps a copy of the author's weights inside each process of the training. The copy begins without weights; `push` fills
it before every step. Two checks see to it that it is the same model. Questions must be the same tokens there. At every step
an answer must be as probable there as here.

vLLM draws from the same distribution by other random numbers. So an answer follows from its seed, but plain generation draws
another one. vLLM is no dependency of this project; `available()` says whether it is installed.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from gcl.data.encoding import collate
from gcl.data.images import load_picture
from gcl.data.scenario import Exchange
from gcl.errors import ConfigError, TrainingError
from gcl.experiment.runs import RolloutFeed, RunSpec
from gcl.experiment.weights import Weights
from gcl.training.member import Member
from gcl.training.rollout import cut

# Mean difference of log p, in nats, up to which two computations count as the same model. In float32 it is about 1e-6. For
# 16 bits this bound is assumed: no GPU has measured it.
TOLERANCE = 0.2
_COLDEST = 0.01  # vLLM takes lower temperatures for this one
_COMPARED = 64  # tokens of one answer
# A tied head is a second name of the embedding. Pushing does not reach it on every platform.
_UNTIED = {"tie_word_embeddings": False, "text_config": {"tie_word_embeddings": False}}
_SPARE = 256  # positions of a row's cache that vLLM may leave unused, since it allots whole blocks


def available() -> bool:
    """Whether vLLM is installed."""
    return find_spec("vllm") is not None


def rollout_backend(rollouts: str, spec: RunSpec) -> str:
    """The engine that draws answers, "plain" or "vllm". "auto" is vLLM if it is installed and can.

    Args:
        rollouts: "auto", "plain" or "vllm".
        spec: a run in which a member answers.
    """
    if rollouts != "auto":
        return rollouts
    taught = isinstance(spec.feed, RolloutFeed) and spec.members[spec.feed.author].frozen
    changed = spec.training.quantization if taught else spec.training.lora
    return "vllm" if available() and torch.cuda.is_available() and not changed else "plain"


class VLLM:
    """A member's copy, which answers in its place.

    Args:
        member: who answers.
        start: its starting weights, for the configuration.
        processes: of the training.
        questions: all that will be asked.
        rows: most of them at a time, in this process.
        temperature, vocabulary, max_new_tokens, silent: as `gcl.training.rollout.roll_out` has them.

    Raises:
        ConfigError: if vLLM is not installed, or the member has weights that could not be pushed. Also if temperatures
            are so low that vLLM would raise them.
    """

    def __init__(
        self,
        member: Member,
        *,
        start: Weights,
        processes: int,
        questions: Sequence[Exchange],
        rows: int,
        temperature: float,
        vocabulary: int,
        max_new_tokens: int,
        silent: Sequence[int] = (),
    ) -> None:
        if any("lora_" in name or p.is_meta or not p.is_floating_point() for name, p in member.named_parameters()):
            raise ConfigError(
                "execution.rollouts is vllm, which takes no LoRA adapters, and no weights that are in 4 bits or offloaded; "
                "choose plain"
            )
        if 0 < temperature < _COLDEST:
            raise ConfigError(f"execution.rollouts is vllm, which draws at {_COLDEST} or above; choose plain, or that")
        if not available():
            raise ConfigError("execution.rollouts is vllm, but vLLM is not installed; install it, or choose plain")
        # Tensors can be handed over within a process only. vLLM reads this when it is imported.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        import vllm

        self.member, encoder = member, member.encoder
        shut_out = {*encoder.preprocessor.placeholders, *silent}
        self._settings = {
            "temperature": temperature,
            "max_tokens": max_new_tokens,
            "stop_token_ids": [encoder.end_token],
            "allowed_token_ids": [token for token in range(vocabulary) if token not in shut_out],
            "logprobs": 0,  # of the drawn token
            "detokenize": False,
        }
        self._sampling = vllm.SamplingParams
        images = encoder.preprocessor.image_processor
        picture, _ = encoder.preprocessor.family.picture(member.config, images.size.get("longest_edge", 0))
        # Families that do not go by the area have nothing to limit.
        area = encoder.preprocessor.family.area
        limits = {"min_pixels": images.size["shortest_edge"], "max_pixels": images.size["longest_edge"]} if area else {}
        most = max(1, *(len(each.pictures) for each in questions))
        length = max(len(encoder.template(each)) for each in questions) + picture * most + max_new_tokens
        self._copy = vllm.LLM(
            model=start.path,
            revision=start.revision,
            dtype=str(member.precision).removeprefix("torch."),
            load_format="dummy",
            hf_overrides=_UNTIED,
            distributed_executor_backend="external_launcher" if processes > 1 else None,
            max_model_len=length,
            max_num_seqs=rows,
            # All at once: on a CPU a question with a seed cannot be taken in parts.
            max_num_batched_tokens=rows * length,
            kv_cache_memory_bytes=rows * (length + _SPARE) * _cache_bytes(member),
            gpu_memory_utilization=0.05,  # must be free at the start; the line above decides the use
            mm_processor_kwargs=limits,
            limit_mm_per_prompt={"image": most, "video": 0},
            # Nothing is kept from step to step: it was computed with other weights.
            enable_prefix_caching=False,
            mm_processor_cache_gb=0,
            generation_config="vllm",  # a checkpoint's own settings may hold more than sampling
            enforce_eager=True,
        )

    def push(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Make the copy's weights those of the member. Where they are divided, all processes must do it together.

        Args:
            weights: name and whole tensor of each, as `Engine.weights` yields them.
        """
        self._copy.collective_rpc("reload_weights", kwargs={"weights_iterator": self._named(weights)})
        self._copy.llm_engine.reset_encoder_cache()

    def _named(self, weights: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """Copies, since vLLM gathers a layer's before it takes them; the head, too, where it is the embedding."""
        backbone = self.member.backbone
        embedding, head = backbone.get_input_embeddings().weight, backbone.get_output_embeddings().weight
        tied = next(n for n, p in backbone.named_parameters() if p is embedding) if head is embedding else None
        for name, weight in weights:
            copied = weight.to(self.member.precision, copy=True)
            yield name, copied
            if name == tied:
                yield "lm_head.weight", copied

    def roll_out(self, exchanges: Sequence[Exchange], seeds: Sequence[int]) -> list[list[int]]:
        """Draw one answer to each question: as `gcl.training.rollout.roll_out`.

        Raises:
            TrainingError: if the copy sees other tokens than the member, or does not find the first answer as probable.
        """
        encoder = self.member.encoder
        asked = [self._question(exchange) for exchange in exchanges]
        params = [self._sampling(seed=seed, **self._settings) for seed in seeds]
        outputs = self._copy.generate(asked, params, use_tqdm=False)
        for exchange, output in zip(exchanges, outputs, strict=True):
            if list(output.prompt_token_ids) != encoder.prompt(exchange).ids:
                raise TrainingError(
                    f"{exchange.id}: vLLM makes other tokens of the question than the training; set execution.rollouts: "
                    "plain, or use another version of vLLM"
                )
        drawn = [cut(output.outputs[0].token_ids, encoder) for output in outputs]
        self._compare(exchanges[0], drawn[0], outputs[0].outputs[0].logprobs)
        return drawn

    def _question(self, exchange: Exchange) -> dict[str, Any]:
        asked: dict[str, Any] = {"prompt_token_ids": self.member.encoder.template(exchange)}
        if exchange.pictures:
            asked["multi_modal_data"] = {"image": [load_picture(picture.path)[0] for picture in exchange.pictures]}
        return asked

    @torch.no_grad()
    def _compare(self, exchange: Exchange, answer: Sequence[int], found: Sequence[dict[int, Any]]) -> None:
        """Compare the probabilities of an answer's first tokens."""
        answer = list(answer[:_COMPARED])
        batch = collate([self.member.encoder.prompt(exchange, answer)], self.member.encoder, left_padded=False)
        device = self.member.backbone.device
        hidden_ND, head_VD, _ = self.member({name: tensor.to(device) for name, tensor in batch.items()})
        logits_NV = hidden_ND.float() @ head_VD.float().t()
        tokens_N = torch.tensor(answer, device=logits_NV.device)
        here_N = logits_NV.log_softmax(dim=-1).gather(1, tokens_N[:, None])[:, 0].cpu()
        there_N = torch.tensor([each[token].logprob for token, each in zip(answer, found, strict=False)])
        if not (difference := float((here_N - there_N).abs().mean())) <= TOLERANCE:
            raise TrainingError(
                f"{exchange.id}: log p of an answer in vLLM and in the training differs by {difference:.2f} nats a token. "
                f"Up to {TOLERANCE} is rounding, so they are not the same model; set execution.rollouts: plain, or use "
                "another version of vLLM"
            )


def _cache_bytes(member: Member) -> int:
    """Keys and values of one position."""
    text = member.backbone.config.text_config
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return 2 * text.num_hidden_layers * text.num_key_value_heads * head * member.precision.itemsize
