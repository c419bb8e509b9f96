"""A pair in transformers' `Trainer`: `PairTrainer([learner, guide], objective, args, exchanges, ...).train()`.

Losses and members are those of `gcl train`. Trainer brings the loop, the order of samples, schedules, logging and resuming.
Every process has both members whole. Adapters and division of weights are things of `gcl train` alone.

    checkpoint-100/learner/, guide/                a whole model each, with its processor and gcl.json
    checkpoint-100/semantic_heads.safetensors      of both members, with GSL
    checkpoint-100/...                             Trainer's own state
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments
from transformers.trainer import TRAINING_ARGS_NAME

from gcl.data.encoding import IGNORED
from gcl.data.scenario import Exchange
from gcl.errors import ConfigError, TrainingError
from gcl.experiment.runs import MemberSpec, ObjectiveSpec, TrainingSpec
from gcl.experiment.weights import Weights
from gcl.files import write_json
from gcl.models.backbone import load_model
from gcl.models.portable import make_portable
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.training.alignment import Alignment, align
from gcl.training.batches import LocalBatches
from gcl.training.feeds import answer_sizes
from gcl.training.member import PRECISIONS, Member, answers
from gcl.training.member_file import MEMBER_FILE, MemberFile, Questions

HEADS = "semantic_heads.safetensors"
_ROWS = "rows"  # of a batch: the compared ones of each member


class PairModule(nn.Module):
    """Both members as one module, since Trainer trains one; `members` has them by role."""

    accepts_loss_kwargs = False

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleDict({member.spec.role: member for member in members})

    def forward(self, **batches: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor, Tensor | None]]:
        """Outputs of every member on its own batch, in order; see `Member.forward`."""
        outputs = []
        for role, member in self.members.items():
            # A member chooses its precision itself, and its semantic head has 32 bits.
            learns = torch.is_grad_enabled() and not member.spec.frozen
            with torch.autocast(member.head.device.type, enabled=False), torch.set_grad_enabled(learns):
                outputs.append(member(batches[role]))
        return outputs

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        """For Trainer's argument of this name."""
        for member in self.members.values():
            member.backbone.gradient_checkpointing_enable(**options)


class _Collator:
    """Turns exchanges into a batch for each member, by role, and the rows that are compared."""

    def __init__(self, members: Sequence[Member], alignment: Alignment) -> None:
        self._roles = [member.spec.role for member in members]
        self._sources = [(member.encoder, None) for member in members]
        self._alignment = alignment

    def __call__(self, exchanges: Sequence[Exchange]) -> dict[str, Any]:
        whole = LocalBatches(exchanges, self._sources, self._alignment, rank=0, processes=1)
        batch = whole[range(len(exchanges))]
        rows = {} if batch.rows is None else {_ROWS: batch.rows}
        return dict(zip(self._roles, batch.members, strict=True)) | rows


class PairTrainer(Trainer):
    """Trains learner and guide together, each at its own learning rate.

    Args:
        members: the specifications of learner and guide: role, start, learning rate, temperature. A rate of 0 freezes one.
        objective: weights and kinds of GSL and DRL.
        args: of Trainer. `learning_rate` has no effect; gradients are clipped for each member by itself.
        train_dataset: questions with answers.
        eval_dataset: others, for an `eval_loss`; None for none.
        system: system message, given to both.
        pixels: smallest and largest picture area after resizing, for families whose tokens follow from the area.
        others: further arguments of Trainer, such as callbacks.

    Raises:
        ConfigError: if these are not two members with weights and roles of their own.
        CheckpointError: if a model cannot be loaded, or the members cannot be compared on some answer.
        TrainingError: if `args` divide weights among processes, or use several GPUs in one process.
    """

    loss_is_scaled_for_ga = True  # losses are divided by the counts of a whole step

    def __init__(
        self,
        members: Sequence[MemberSpec],
        objective: ObjectiveSpec,
        args: TrainingArguments,
        train_dataset: Sequence[Exchange],
        eval_dataset: Sequence[Exchange] | None = None,
        *,
        system: str,
        pixels: tuple[int, int],
        **others: Any,
    ) -> None:
        _check(members, args)
        self.objective = objective
        self._pixels = list(pixels)
        self._precision = "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"
        # The part of the settings that a member reads. The others are among `args`.
        settings = TrainingSpec.model_construct(
            precision=self._precision, quantization=None, lora=None, frozen=[], pixels=self._pixels, system=system
        )
        size = objective.semantic_size if objective.gsl_weight else None
        self.pair = [
            Member.load(spec, spec.start, settings, semantic_size=size, seed=1000 * args.seed + k)
            for k, spec in enumerate(members)
        ]
        alignment = align([member.encoder for member in self.pair], [member.head_rows for member in self.pair])
        sizes = answer_sizes([*train_dataset, *(eval_dataset or ())], self.pair, alignment)
        self._longest = max(max(tokens) for tokens, _ in sizes)
        self._about = f"{len(train_dataset)} questions with answers"
        self._sums: dict[str, Tensor] = {}
        self._summed_from = 0
        super().__init__(
            PairModule(self.pair),
            args,
            _Collator(self.pair, alignment),
            train_dataset,
            eval_dataset,
            **others,
        )
        self._compared = alignment.to(args.device).compared

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, list[MemberOutput]]:
        """This batch's part of the objective.

        Args:
            model: the `PairModule`, as Trainer wraps it.
            inputs: a batch of the collator: per role input_ids, attention_mask, labels [B, T] and features of pictures.
            return_outputs: whether the members' outputs are returned, too.
            num_items_in_batch: counts of the whole step, from `_get_num_items_in_batch`; None: of this batch alone.

        Returns:
            A scalar. Those of all batches and processes of a step have the objective as their mean over processes.
        """
        if num_items_in_batch is None:
            num_items_in_batch = self._get_num_items_in_batch([inputs], self.args.device)
        count, positions, *tokens = num_items_in_batch.tolist()
        batches = {member.spec.role: inputs[member.spec.role] for member in self.pair}
        rows = inputs.get(_ROWS) or [None] * len(batches)
        outputs = [
            MemberOutput(hidden, head, answers(batch), semantic, compared)
            for (hidden, head, semantic), batch, compared in zip(model(**batches), batches.values(), rows, strict=True)
        ]
        own = len(next(iter(batches.values()))["labels"])
        loss, parts = group_loss(
            outputs,
            [member.spec.tau for member in self.pair],
            gsl_weight=self.objective.gsl_weight,
            drl_weight=self.objective.drl_weight,
            kappa=self.objective.kappa,
            divergence=self.objective.divergence,
            matching=self.objective.matching,
            compared=self._compared,
            share=Share(own / count, tuple(tokens), positions),
            precision=PRECISIONS[self._precision],
        )
        if torch.is_grad_enabled():
            for name, value in parts.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
        loss = loss * self.accelerator.num_processes  # gradients are averaged over processes
        return (loss, outputs) if return_outputs else loss

    def _get_num_items_in_batch(self, batch_samples: list[Mapping[str, Any]], device: torch.device) -> Tensor | None:
        """Counts of a step over all processes: inputs, compared rows, supervised tokens of each member."""
        if not batch_samples:
            return None
        counts = []
        for batch in batch_samples:
            labels = [batch[member.spec.role]["labels"] for member in self.pair]
            tokens = [int((labels_BT[:, 1:] != IGNORED).sum()) for labels_BT in labels]
            counts.append([len(labels[0]), len(batch[_ROWS][0]) if _ROWS in batch else tokens[0], *tokens])
        return self.accelerator.reduce(torch.tensor(counts, device=device).sum(dim=0), reduction="sum")

    def prediction_step(
        self, model: nn.Module, inputs: Mapping[str, Any], *_: Any, **__: Any
    ) -> tuple[Tensor, None, None]:
        """The loss of an evaluation's batch. GSL takes its negatives from the batch."""
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)), None, None

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's optimizer, with each member's own learning rate."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            decayed = set(self.get_decay_parameter_names(self.model))
            groups = []
            for role, member in self.model.members.items():
                for decays in (True, False):
                    parameters = [
                        parameter
                        for name, parameter in member.trainable().items()
                        if (f"members.{role}.{name}" in decayed) == decays
                    ]
                    decay = self.args.weight_decay if decays else 0.0
                    groups.append({"params": parameters, "lr": member.spec.lr, "weight_decay": decay})
            self.optimizer = kind([group for group in groups if group["params"]], **options)
        return self.optimizer

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clip each member by its own norm, so that one's gradient never scales the other's; returns the norm of all."""
        self.accelerator.unscale_gradients()
        learning = [list(member.trainable().values()) for member in self.pair if not member.spec.frozen]
        norms = [nn.utils.clip_grad_norm_(parameters, self.args.max_grad_norm) for parameters in learning]
        return torch.linalg.vector_norm(torch.stack(norms))

    def log(self, logs: dict[str, float], *rest: Any) -> None:
        """As Trainer, with the components of the loss by role. `learning_rate` there is the first member's."""
        if "loss" in logs and self._sums:
            steps, self._summed_from = self.state.global_step - self._summed_from, self.state.global_step
            sums, self._sums = self.accelerator.reduce(self._sums, reduction="sum"), {}
            roles = {
                f"{kind}_{k}": f"{kind}_{m.spec.role}" for k, m in enumerate(self.pair) for kind in ("sft", "compared")
            }
            logs |= {roles.get(name, name): float(value) / max(steps, 1) for name, value in sums.items()}
        super().log(logs, *rest)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write both members and their semantic heads."""
        if not self.args.should_save:
            return
        folder, heads = Path(output_dir or self.args.output_dir), {}
        for member in self.pair:
            own = folder / member.spec.role
            member.backbone.save_pretrained(own)
            member.encoder.preprocessor.save(own)
            make_portable(own)
            write_json(own / MEMBER_FILE, self._member_file(member).model_dump())
            if member.semantic_head is not None:
                heads |= {f"{member.spec.role}.{name}": w for name, w in member.semantic_head.state_dict().items()}
        if heads:
            save_file(heads, folder / HEADS)
        torch.save(self.args, folder / TRAINING_ARGS_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Continue with the weights of a checkpoint.

        Raises:
            CheckpointError: if a member is not there, or not whole.
        """
        folder = Path(resume_from_checkpoint)
        for member in self.pair:
            saved = load_model(Weights(path=str(folder / member.spec.role)))
            member.backbone.load_state_dict(saved.state_dict())
            if member.semantic_head is not None:
                prefix = f"{member.spec.role}."
                heads = load_file(folder / HEADS)
                own = {name.removeprefix(prefix): w for name, w in heads.items() if name.startswith(prefix)}
                member.semantic_head.load_state_dict(own)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)

    def _member_file(self, member: Member) -> MemberFile:
        """How the member is asked, by `gcl predict` and `load_member`."""
        spec, asked = member.spec, {"batch_size": self.args.eval_batch_size, "max_new_tokens": self._longest}
        return MemberFile(
            run=self.args.run_name or Path(self.args.output_dir).name,
            scale="",
            role=spec.role,
            model=spec.model,
            base=spec.start.path,
            revision=spec.start.revision,
            lr=spec.lr,
            system=member.encoder.system,
            pixels=self._pixels,
            precision=self._precision,
            asked=Questions(about=self._about, questions={}, **asked),
        )


def _check(members: Sequence[MemberSpec], args: TrainingArguments) -> None:
    roles = [spec.role for spec in members]
    if len(roles) != 2 or len({*roles}) < 2 or all(spec.frozen for spec in members):
        raise ConfigError(f"a pair is two members of unlike roles, of which one learns; these are {roles}")
    for spec in members:
        if not isinstance(spec.start, Weights):
            raise ConfigError(f"{spec.role}: starts from {spec.start}; give Weights(path=...), a folder or a hub id")
    if args.deepspeed or args.fsdp or args.n_gpu > 1:
        raise TrainingError(
            "PairTrainer keeps both members whole, on one device a process; start it with torchrun, without deepspeed and "
            "fsdp. `gcl train` can divide members among processes"
        )
