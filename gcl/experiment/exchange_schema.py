"""The section `exchange` of config.yaml: members that learn from each other's own answers. `Experiment` includes it."""

from typing import Annotated, Literal

from pydantic import Field

from gcl.experiment.arms_schema import Controls
from gcl.experiment.divergences import Divergence, SampledDivergence
from gcl.experiment.planning_schema import Stage
from gcl.experiment.types import Count, NotNegative, Positive, Setting, Strict

Share = Annotated[float, Field(ge=0, le=1)]


class ExchangeVariant(Strict):
    """A kind of exchange.

    Attributes:
        share: of a batch's samples that members answer; None: as `exchange.share`.
        authors: who answers: "turns", one learning member a step; "first", the first one; "all", each all samples.
        answers: "own" are drawn, "references" are repeated.
        pulled: who learns from an answer: its "author", or "all".
        told: whether a judge knows more than the author: the dialogue before a question, or the state and a plan.
        divergence: of the members on an answer's tokens.
        likelihood: whether an answer's own likelihood is raised instead, as if it were a reference, with weight 1.
        gsl_weight, drl_weight: of GCL's two losses on the references.
        ago: rates and temperatures per role, instead of one rate and one temperature.
        teacher: guides are frozen, after they were fine-tuned alone.
    """

    share: Share | None = None
    authors: Literal["turns", "first", "all"] = "turns"
    answers: Literal["own", "references"] = "own"
    pulled: Literal["author", "all"] = "all"
    told: bool = False
    divergence: Divergence | SampledDivergence = "jsd"
    likelihood: bool = False
    gsl_weight: NotNegative = 0.0
    drl_weight: NotNegative = 0.0
    ago: bool = False
    teacher: bool = False


class Exchanging(Strict):
    """Method exchange.

    Attributes:
        share: of the samples of a batch that members answer.
        warmup: share of the steps without answers, at the beginning.
        weight: of the divergence on answers.
        temperature, max_new_tokens: of the draws. Answers of planning tasks may be as long as those of MGSD.
        planning: how members are trained on planning tasks; on scenes as `training` has it.
        variants: kinds of it, by name.
        scenes, states: its tables, of scenes and of planning tasks.
    """

    share: Setting[Share]
    warmup: Setting[Annotated[float, Field(ge=0, lt=1)]]
    weight: Setting[Positive]
    temperature: Setting[Positive]
    max_new_tokens: Setting[Count]
    planning: Stage
    variants: dict[Annotated[str, Field(pattern="^[a-z_]+$")], Setting[ExchangeVariant]]
    scenes: Controls
    states: Controls
