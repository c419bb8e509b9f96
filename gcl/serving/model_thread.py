"""The one thread that asks the model: `ModelThread(model, encoder, batch)`, and a `Job` for each request.

Requests that wait are answered together, greedily and left-padded as in the evaluation. A stopping criterion sees each new
token. So every answer leaves as soon as it ends, streams, keeps its own length, and can be given up by itself.
"""

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, StoppingCriteria, StoppingCriteriaList

from gcl.data.decoding import greedy
from gcl.data.encoding import Encoder, collate
from gcl.serving.prompts import EncodedPrompt

_INCOMPLETE = "\ufffd"  # stands for the first bytes of a letter


class Finished(NamedTuple):
    """A whole answer, its tokens, and whether it ended within its longest length."""

    text: str
    tokens: int
    ended: bool


@dataclass(eq=False)
class Job:
    """A prompt to be answered.

    Attributes:
        prompt: the encoded question.
        stream: whether pieces of the answer are told, too.
        tell: called from the model's thread: with each piece, at last with the whole answer, or with an error.
        given_up: set by anyone; nothing is told afterwards.
    """

    prompt: EncodedPrompt
    stream: bool
    tell: Callable[[str | Finished | Exception], None]
    given_up: bool = False


class ModelThread:
    """Answers jobs, the oldest first. Those with equally many pictures share a batch, which every family can do.

    Args:
        model: ready to answer.
        encoder: its own.
        batch: jobs that are answered together.
    """

    def __init__(self, model: PreTrainedModel, encoder: Encoder, batch: int) -> None:
        self._model, self._encoder, self._batch = model, encoder, batch
        self._waiting: deque[Job] = deque()
        self._news = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether jobs are still answered."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs that nobody has begun."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Let a job wait for its turn."""
        with self._news:
            self._waiting.append(job)
            self._news.notify()

    def stop(self) -> None:
        """End the thread after the batch in hand."""
        with self._news:
            self._stopped = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        while (jobs := self._next()) is not None:
            try:
                if jobs:
                    self._answer(jobs)
            except Exception as error:  # such as no memory; the next batch may be smaller
                traceback.print_exc(file=sys.stderr)
                for job in jobs:
                    if not job.given_up:
                        job.tell(error)

    def _next(self) -> list[Job] | None:
        """Jobs that fit together, maybe none any more; None at the end."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._stopped)
            if self._stopped:
                return None
            wanted = [job for job in self._waiting if not job.given_up]
            chosen = [job for job in wanted if job.prompt.pictures == wanted[0].prompt.pictures][: self._batch]
            self._waiting = deque(job for job in wanted if job not in chosen)
            return chosen

    @torch.inference_mode()
    def _answer(self, jobs: Sequence[Job]) -> None:
        batch = collate([job.prompt.sample for job in jobs], self._encoder, left_padded=True)
        inputs = {name: tensor.to(self._model.device) for name, tensor in batch.items() if name != "labels"}
        self._model.generate(
            **inputs,
            generation_config=greedy(self._encoder, max(job.prompt.longest for job in jobs)),
            stopping_criteria=StoppingCriteriaList([_Watched(jobs, self._encoder, inputs["input_ids"].shape[1])]),
        )


class _Watched(StoppingCriteria):
    """Tells each job its new tokens, and stops it at its end.

    Args:
        jobs: of a batch, in its order.
        encoder: the model's.
        start: length of the padded prompts.
    """

    def __init__(self, jobs: Sequence[Job], encoder: Encoder, start: int) -> None:
        self._jobs, self._start = jobs, start
        self._tokenizer, self._end = encoder.preprocessor.tokenizer, encoder.end_token
        self._sent = [""] * len(jobs)
        self._done = [False] * len(jobs)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        count, last = input_ids.shape[1] - self._start, input_ids[:, -1].tolist()
        for k, job in enumerate(self._jobs):
            if self._done[k]:
                continue
            ended = last[k] == self._end
            self._done[k] = job.given_up or ended or count >= job.prompt.longest
            if job.given_up or not (self._done[k] or job.stream):
                continue
            text = self._tokenizer.decode(input_ids[k, self._start :], skip_special_tokens=True).strip()
            if job.stream:
                self._send(k, text, whole=self._done[k])
            if self._done[k]:
                job.tell(Finished(text, count, ended))
        return torch.tensor(self._done, device=input_ids.device)

    def _send(self, k: int, text: str, *, whole: bool) -> None:
        """Tell what is new of a text. Half a letter waits for its rest, as white space does for a word."""
        if not whole:
            text = text.rstrip(_INCOMPLETE).rstrip()
        if piece := text[len(self._sent[k]) :]:
            self._jobs[k].tell(piece)
            self._sent[k] = text
