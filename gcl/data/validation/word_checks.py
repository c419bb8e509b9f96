"""Suspicious words of a data set: `word_warnings(drafts, dialogue, telling)`.

All of them may be right, so nothing here is an error.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from gcl.data.annotations import shown
from gcl.data.problem import Problem
from gcl.data.raw import FILE, Draft, is_placeholder
from gcl.data.scenario import SPLITS
from gcl.experiment.actions import named_actions
from gcl.experiment.dialogue import Dialogue

K = TypeVar("K", bound=Hashable)
LANGUAGE = "en"
# The more languages to choose from, the more often a short English text is taken for a rare one.
LANGUAGES = ("en", "de", "es", "fr", "it", "ja", "ko", "nl", "pt", "ru", "zh")
# For shorter or less certain texts identification is a guess: English labels of a few words get any verdict.
CLEAR_BYTES, CLEAR_SHARE = 60, 0.95
# The byte behind each character of text that was read as Latin-1 or Windows-1252.
_BYTES = {chr(byte): byte for byte in range(256)}
_BYTES |= {bytes([byte]).decode("cp1252", errors="ignore"): byte for byte in range(128, 256)}
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def word_warnings(drafts: Sequence[Draft], dialogue: Dialogue, telling: Sequence[str]) -> list[Problem]:
    """Look at the words of all scenes.

    A copied answer in a `telling` turn means a copied scene. A copied action does not, since many scenes share one.
    """
    whole = [draft for draft in drafts if len(draft.turns) == len(dialogue.turns)]
    return [
        *(_contradictions(drafts, dialogue.action, dialogue.actions) if dialogue.actions else ()),
        *_exchanged(drafts),
        *_same_scenes(whole),
        *_same_answers(drafts, telling),
        *_languages(drafts),
        *_odd_texts(drafts),
    ]


def is_mojibake(text: str) -> bool:
    """Whether some of the text is UTF-8 that was read as Latin-1 or Windows-1252, such as "Ã©" for "é"."""
    return any(map(_misread, _BEYOND_ASCII.findall(text)))


def foreign_language(text: str) -> str | None:
    """The language of a text that is clearly not English, or None."""
    if len(text.encode()) < CLEAR_BYTES:
        return None
    language, share = _identifier().classify(text)
    return language if language != LANGUAGE and share >= CLEAR_SHARE else None


def _contradictions(drafts: Sequence[Draft], turn: str | None, actions: Sequence[str]) -> Iterator[Problem]:
    for draft in drafts:
        if draft.action is None or turn not in draft.turns:
            continue
        text = draft.turns[turn].answer
        named = named_actions(text, actions)
        if named and draft.action not in named:
            what = f"{shown(text)} names {', '.join(sorted(named))}, the label is {draft.action}"
            yield Problem(draft.where, f"turns.{turn}: answer", what, "correct one of them", "contradiction")


def _exchanged(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """One problem for each question that stands in more than one turn. Such turns were told apart wrongly."""
    turns: dict[str, dict[str, list[Draft]]] = {}
    for draft in drafts:
        for turn, words in draft.turns.items():
            turns.setdefault(" ".join(words.question.split()), {}).setdefault(turn, []).append(draft)
    for text, groups in turns.items():
        usual, *others = sorted(groups, key=lambda turn: -len(groups[turn]))
        for turn in others:
            first, count = groups[turn][0], len(groups[turn])
            what = f"{shown(text)} asks for {usual} elsewhere (scenes: {len(groups[usual])} {usual}, {count} {turn})"
            remedy = "tell the turns by their wording when importing"
            yield Problem(first.where, f"turns.{turn}: question", what, remedy, "contradiction")


def _same_scenes(drafts: Sequence[Draft]) -> Iterator[Problem]:
    groups = _grouped((tuple(words.answer for words in draft.turns.values()), draft) for draft in drafts)
    for first, *others in groups.values():
        for other in others:
            split = " in the other split" if {first.split, other.split} == set(SPLITS) else ""
            what = f"all {len(first.turns)} answers are those of {first.where}{split}"
            yield Problem(other.where, "turns", what, "check that it is a scene of its own", "same scene")


def _same_answers(drafts: Sequence[Draft], telling: Sequence[str]) -> Iterator[Problem]:
    """One problem for each answer that both splits have, and one that counts those within a split."""
    for turn in telling:
        groups = _grouped((draft.turns[turn].answer, draft) for draft in drafts if turn in draft.turns)
        shared = {answer: group for answer, group in groups.items() if len(group) > 1}
        for answer, group in shared.items():
            if len({draft.split for draft in group} & set(SPLITS)) == len(SPLITS):
                test = next(draft for draft in group if draft.split == "test")
                train = next(draft for draft in group if draft.split == "train")
                what = f"{shown(answer)} also stands in {train.where} ({_counts(group)})"
                yield Problem(
                    test.where, f"turns.{turn}: answer", what, "check that it describes its picture", "same answer"
                )
        if shared:
            scenes = sum(map(len, shared.values()))
            what = f"{scenes} scenes have the answer of another word for word (different ones: {len(shared)})"
            yield Problem(FILE, f"turns.{turn}: answer", what, "check that they describe their pictures", "same answer")


def _languages(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """Test each answer, since others may hide a foreign one. Then test all together, since many are too short alone."""
    for draft in drafts:
        texts = {f"turns.{turn}: answer": words.answer for turn, words in draft.turns.items()}
        texts["turns"] = " ".join(texts.values())
        for field, text in texts.items():
            language = foreign_language(text)
            if language:
                what = f"{shown(text)} looks like language {language!r}"
                yield Problem(
                    draft.where, field, what, "translate it: models and metrics here know English", "language"
                )
                break


def _odd_texts(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """Broken characters, and words that stand for a missing text: members would learn them as answers."""
    for draft in drafts:
        for turn, words in draft.turns.items():
            for part, text in (("question", words.question), ("answer", words.answer)):
                remedy, kind = "take the text from the original again", "encoding"
                if "\ufffd" in text:
                    what = "has characters that were lost (U+FFFD)"
                elif is_mojibake(text):
                    what = "has UTF-8 that was read as Windows-1252"
                elif part == "answer" and is_placeholder(text):
                    what, remedy = "is what programs write for a missing text", "write the answer, or remove the scene"
                    kind = "placeholder"
                else:
                    continue
                yield Problem(draft.where, f"turns.{turn}: {part}", f"{shown(text)} {what}", remedy, kind)


def _misread(text: str) -> bool:
    try:
        bytes(_BYTES[character] for character in text).decode()
    except (KeyError, UnicodeDecodeError):
        return False
    return True


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier


def _grouped(pairs: Iterable[tuple[K, Draft]]) -> Mapping[K, list[Draft]]:
    groups: dict[K, list[Draft]] = {}
    for key, draft in pairs:
        groups.setdefault(key, []).append(draft)
    return groups


def _counts(drafts: Sequence[Draft]) -> str:
    return ", ".join(f"{sum(draft.split == split for draft in drafts)} {split}" for split in SPLITS)
