"""One test scene as one HTML file, for `gcl show`: `scene_page(experiment, shown)`.

The template is scene_page.html.j2, with the colours and tables of the page of all results (page.css).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from torch import Tensor

from gcl.data.html import fill, picture_uri
from gcl.data.images import load_picture
from gcl.evaluation.pooling import PARTS, Pooling
from gcl.experiment.runs import MemberSpec, RunSpec
from gcl.experiment.schema import SCALES, Experiment
from gcl.reporting.figures.canvas import LOOKS
from gcl.reporting.page.scene import SceneTurn, ShownScene, Voice

WIDTH, MAP_WIDTH = 720, 420  # of the scene's picture, and of one with weights
_OTHER = "#009E73"  # of members that are neither learner nor guide


@dataclass(frozen=True)
class TokenView:
    """A token with its value in words, and as a share of the largest one that is shown."""

    text: str
    value: str
    share: float


@dataclass(frozen=True)
class MapView:
    """Weights over one picture: a data URI, and the same in words."""

    uri: str
    alt: str


@dataclass(frozen=True)
class PoolingView:
    """Where one member pools.

    Attributes:
        title: of the member.
        parts: name, share of the weight, and share of the tokens of each part, as percentages.
        maps: one per picture; none where the family has no grid.
        words: the tokens beside pictures.
    """

    title: str
    parts: Sequence[tuple[str, str, str]]
    maps: Sequence[MapView]
    words: Sequence[TokenView]


@dataclass(frozen=True)
class TurnView:
    """One question, ready to be shown: `said` has voice, answer, and whether it is the reference word by word."""

    turn: SceneTurn
    said: Sequence[tuple[str, str, bool]]
    mean: str
    tokens: Sequence[TokenView]
    poolings: Sequence[PoolingView]


def scene_page(experiment: Experiment, shown: ShownScene) -> str:
    """Fill the template."""
    values = [token.value for turn in shown.turns for token in turn.tokens if token.value is not None]
    top = max(values, default=0.0)
    pictures = [(picture.name, load_picture(picture.path)[0]) for picture in shown.scenario.pictures]
    return fill(
        Path(__file__).with_suffix(".html.j2"),
        scene=shown.scenario.id,
        dataset=shown.group.dataset,
        scale=experiment.scale,
        warning=SCALES[experiment.scale],
        pictures=[(name or "", picture_uri(_scaled(picture, WIDTH), 85)) for name, picture in pictures],
        group=shown.group,
        voices=[(voice_title(voice), voice.run.id) for voice in shown.voices],
        turns=[_turn(shown, turn, top, [picture for _, picture in pictures]) for turn in shown.turns],
        top=f"{top:.3f}",
        compared=all(token.value is not None for turn in shown.turns for token in turn.tokens),
        frozen=[member.role for member in shown.group.members if member.frozen],
        state=_state(shown.group, pooled=any(turn.poolings for turn in shown.turns)),
        parts=PARTS,
    )


def voice_title(voice: Voice) -> str:
    """The kind of training and the member: "GCL full, learner qwen2.5-vl-3b"."""
    method, model = voice.run.method, voice.member.model
    if method in ("base", "sft"):
        return f"{'SFT' if method == 'sft' else 'base model'}, {model}"
    return f"{method.upper()} {voice.run.variant}, {voice.member.role} {model}"


def _state(group: RunSpec, *, pooled: bool) -> str:
    """Which words stand for the pooling of GSL: "shown", "no gsl" or "no heads"."""
    return "shown" if pooled else "no heads" if group.objective.gsl_weight else "no gsl"


def _turn(shown: ShownScene, turn: SceneTurn, top: float, pictures: Sequence[Image.Image]) -> TurnView:
    reference = turn.exchange.answer
    said = [
        (voice_title(voice), voice.absent or "", False)
        if answer is None
        else (voice_title(voice), answer[0] + ("" if answer[1] else " … (cut)"), answer[0] == reference)
        for voice, answer in zip(shown.voices, turn.answers, strict=True)
    ]
    tokens = [
        TokenView(token.text, "not compared", 0.0)
        if token.value is None
        else TokenView(token.text, f"{token.value:.4f}", max(token.value, 0.0) / top if top else 0.0)
        for token in turn.tokens
    ]
    members = {member.role: member for member in shown.group.members}
    poolings = [_pooling(members[role], one, turn.name, pictures) for role, one in turn.poolings.items()]
    return TurnView(turn, said, "none" if turn.mean is None else f"{turn.mean:.4f}", tokens, poolings)


def _pooling(member: MemberSpec, pooling: Pooling, turn: str, pictures: Sequence[Image.Image]) -> PoolingView:
    title = f"{member.role} {member.model}"
    parts = [(name, f"{weight:.1%}", f"{tokens:.1%}") for name, (weight, tokens) in pooling.parts.items()]
    maps = [
        MapView(_uri(picture, weights_HW, member.role), _alt(f"{title}, {turn}", weights_HW))
        for picture, weights_HW in zip(pictures, pooling.maps, strict=True)
        if weights_HW is not None
    ]
    top = max((weight for _, weight in pooling.words), default=0.0)
    words = [TokenView(text, f"{weight:.2%}", weight / top if top else 0.0) for text, weight in pooling.words]
    return PoolingView(title, parts, maps, words)


def _uri(picture: Image.Image, weights_HW: Tensor, role: str) -> str:
    """The picture in dim grey, each token's cell in the role's colour, as strong as its weight beside the largest."""
    grey = np.asarray(_scaled(picture, MAP_WIDTH).convert("L").convert("RGB"), dtype=float) * 0.45
    share = (weights_HW / weights_HW.max().clamp(min=1e-12)).numpy()
    cells = Image.fromarray(np.uint8(np.round(255 * share))).resize(
        (grey.shape[1], grey.shape[0]), Image.Resampling.NEAREST
    )
    alpha = np.asarray(cells, dtype=float)[..., None] / 255 * 0.8
    colour = np.array(ImageColor.getrgb(LOOKS[role].colour if role in LOOKS else _OTHER), dtype=float)
    return picture_uri(Image.fromarray(np.uint8(np.round(grey * (1 - alpha) + colour * alpha))), 85)


def _alt(title: str, weights_HW: Tensor) -> str:
    rows, columns = weights_HW.shape
    row, column = divmod(int(weights_HW.argmax()), columns)
    return (
        f"{title}: {float(weights_HW.sum()):.1%} of the weight lies on this picture, on {rows} rows of {columns} tokens. "
        f"Largest: {float(weights_HW.max()):.2%}, row {row + 1}, column {column + 1}."
    )


def _scaled(picture: Image.Image, width: int) -> Image.Image:
    """Copy of a width; small pictures grow with hard edges."""
    size = (width, max(round(width * picture.height / picture.width), 1))
    return picture.resize(size, Image.Resampling.LANCZOS if picture.width > width else Image.Resampling.NEAREST)
