"""Judgements about words: which labels a text names, whether it is English, whether its characters are whole."""

import random

import pytest

from gcl.data.drawing import language
from gcl.data.drawing.constellation import sample_scene
from gcl.data.validation.word_checks import foreign_language, is_mojibake

ENGLISH = [
    "There are two pedestrians walking towards the robot on the left side of the corridor, and a cyclist further on.",
    "The person in the red jacket will likely continue straight and cross the path of the robot in a few seconds.",
    "Because the group occupies most of the walkway, the robot must slow down and yield to their conversation.",
    "Turning left preserves a comfortable social distance and follows the conventions of pedestrians on campus.",
    "Crowded plaza near the library entrance. Several students stand in groups, a few approach.",
    "A child runs after a ball from right to left; its mother follows at a distance of about 3 m.",
    "Yield to the wheelchair user, then proceed along the right edge of the sidewalk.",
    "Pedestrians ahead: 2 (left), 1 (right). Distance approx. 3.5 m; moving toward robot.",
    "En route to the cafe, the robot encounters a queue at the kiosk near Karlsruhe Hauptbahnhof.",
    "The robot is in Shibuya, near a konbini; people are walking along the sidewalk.",
    "A tatami room with a low table and several people seated on zabuton.",
    "person; person; bicycle; stroller; bench; trash can; lamp post; door",
    "PERSON ON THE LEFT, WALKING AWAY FROM THE ROBOT, DISTANCE 4 M, NO OBSTACLES",
    "Move Forward. Move Forward. Move Forward. Move Forward. Move Forward.",
    "Robot continues, maintaining 0.8 m/s, pedestrians unaffected, trajectory stable.",
]
FOREIGN = [
    ("ja", "ロボットの左側を二人の歩行者がこちらに向かって歩いています。"),
    ("ja", "前方の人は数秒後にロボットの進路を横切るでしょう。停止してください。"),
    ("zh", "机器人左侧有两名行人正朝我们走来，前方道路比较拥挤。"),
    ("zh", "前面的人很可能会继续直行，因此机器人应该停下来等待。"),
    ("de", "Links kommen zwei Fußgänger auf den Roboter zu, und weiter hinten fährt ein Radfahrer."),
    ("de", "Der Roboter soll anhalten und warten, bis die Gruppe vorbeigegangen ist."),
    ("fr", "Deux piétons marchent vers le robot du côté gauche du couloir."),
    ("fr", "Le robot doit s'arrêter et attendre que le groupe soit passé."),
    ("es", "Dos peatones caminan hacia el robot por el lado izquierdo del pasillo."),
    ("es", "El robot debe detenerse y esperar hasta que el grupo haya pasado."),
]


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_not_taken_for_another_language(text):
    assert len(text.encode()) >= 60 and foreign_language(text) is None


@pytest.mark.parametrize(("expected", "text"), FOREIGN)
def test_another_language_is_recognized(expected, text):
    assert foreign_language(text) == expected


def test_a_mixed_text_gets_no_verdict():
    text = "Two people are walking der Roboter soll anhalten und warten bis die"
    assert len(text) > 60 and foreign_language(text) is None


def test_a_few_words_get_no_verdict():
    assert foreign_language("Anhalten und warten, bitte.") is None


@pytest.mark.parametrize("speak", [language.perceive, language.predict, language.reason])
def test_drawn_answers_are_english(speak):
    rng = random.Random(0)
    texts = {speak(sample_scene(rng), rng) for _ in range(300)}
    assert max(map(len, texts)) > 60
    assert [text for text in texts if foreign_language(text)] == []


GOOD = [
    "café",
    "naïve façade",
    "“quoted” – it’s 3° warmer",
    "人は前へ",
    "Straße",
    "ÄÖÜ äöü",
    "£5 ± 1 µm",
    "Ünïcödé",
    "→ ←",
    "",
]


@pytest.mark.parametrize("text", GOOD)
def test_sound_text_is_no_mojibake(text):
    assert not is_mojibake(text)


@pytest.mark.parametrize("text", [text for text in GOOD if not text.isascii()])
@pytest.mark.parametrize("codec", ["cp1252", "latin-1"])
def test_utf8_read_in_another_encoding_is_mojibake(text, codec):
    # Programs show the five bytes that Windows-1252 leaves undefined as control characters.
    misread = "".join(bytes([byte]).decode(codec, errors="ignore") or chr(byte) for byte in text.encode())
    assert is_mojibake(f"before {misread} after")


def test_mojibake_beside_other_scripts_is_found():
    assert is_mojibake("人は cafÃ© へ")
