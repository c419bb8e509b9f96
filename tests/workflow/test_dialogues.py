"""Two data sets of dialogues, from download to scores by the commands of docs/data.md: ten frames, and two cameras.

The project is a copy at rehearsal scale. The downloads are drawn.
"""

import json
import random
import re
import shlex
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from workflow_project import Project, copy_project

from gcl.data.drawing import language
from gcl.data.drawing.constellation import TRAINED, sample_scenes
from gcl.data.drawing.datasets import SHARES
from gcl.data.drawing.render import render
from gcl.data.similar import NEAR, perceptual_hash
from gcl.files import read_json, read_jsonl, write_json, write_jsonl

pytestmark = pytest.mark.slow

SOCIALNAV, CAMERAS = "socialnav-sub", "cameras"
SFT, PAIR = f"{SOCIALNAV}/sft/qwen3-vl-4b/default/seed0", f"{CAMERAS}/gcl/qwen2.5-vl-3b+qwen3-vl-4b/gco/seed0"
SCENES, FRAMES = 12, 10


def section() -> str:
    """The part of the page that a user follows."""
    text = (ROOT / "docs/data.md").read_text()
    return text.partition("\n## A rehearsal with dialogues\n")[2].partition("\n## ")[0]


def drawn() -> list:
    """Scenes that go on or stop, with pictures of each that are like no other scene's."""
    rng, found, looks = random.Random(5), [], []
    for scene in sample_scenes(rng, 400, SHARES["muson"], thirds=TRAINED):
        pictures = [render(scene, rng) for _ in range(FRAMES)]
        hashes = [perceptual_hash(picture) for picture in pictures]
        alike = any((one ^ other).bit_count() <= NEAR for one in hashes for other in looks)
        if not alike and scene.action in ("Move Forward", "Stop"):
            found.append((scene, pictures))
            looks += hashes
        if len(found) == SCENES:
            return found
    raise AssertionError("too few scenes that look different")


def draw_socialnav(folder: Path) -> None:
    """The layout of the published test.csv, its folders of frames and its files of answers."""
    columns = "sample_name,human_answers_filepath,raw_img_filepaths"
    lines = [columns]
    for k, (scene, pictures) in enumerate(drawn()):
        name, stops = f"{k}_Spot_1", scene.action == "Stop"
        said = {
            "q_goal_position_end": "ahead",
            "q_person_spatial_position_end_p1": "ahead of" if stops else "to the left of",
            "q_obstructing_path_p1": "yes" if stops else "no",
            "q_robot_suggested_affected_p1": "yes" if stops else "no",
            "q_robot_suggested_action_p1": "yield to" if stops else "not consider",
            "q_human_future_action_prediction_p1": "not consider",
        }
        answers = {}
        for question, answer in said.items():
            answers |= {question: [answer, "other"], f"{question}_probabilities": [0.8, 0.2]}
        for part in ("front_view", "human_labels"):
            (folder / part / name).mkdir(parents=True)
        write_json(folder / f"human_labels/{name}/common_answers.json", answers)
        frames = [f"front_view/{name}/{number}.png" for number in range(FRAMES)]
        for frame, picture in zip(frames, pictures, strict=True):
            picture.save(folder / frame)
        lines.append(f'{name},human_labels/{name}/common_answers.json,"[{", ".join(frames)}]"')
    (folder / "test.csv").write_text("\n".join(lines) + "\n")


def draw_cameras(folder: Path) -> None:
    """A table of JSON lines with a column for each camera."""
    (folder / "pictures").mkdir(parents=True)
    rng, records = random.Random(6), []
    for k, (scene, pictures) in enumerate(drawn()):
        record = {"id": f"drive{k}", "split": "train" if k < 8 else "test"}
        for camera, picture in zip(("front", "rear"), pictures, strict=False):
            record[camera] = f"pictures/{k}-{camera}.png"
            picture.save(folder / record[camera])
        danger = "Yes." if scene.action == "Stop" else "No."
        records.append(record | {"scene": language.perceive(scene, rng), "danger": danger, "move": scene.action})
    write_jsonl(folder / "drives.jsonl", records)


def add(config: dict, values: dict) -> None:
    """Put values of the page into their sections."""
    for section, own in values.items():
        config[section] |= own


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Everything on the page is done: the configuration, the mappings, the commands."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    draw_socialnav(project.root / "downloads/SocialNav-SUB")
    draw_cameras(project.root / "downloads/cameras")
    for block in re.findall(r"```yaml\n(.*?)```", section(), re.DOTALL):
        if name := re.match(r"# (\S+\.yaml)\n", block):
            (project.root / name[1]).write_text(block)
            continue
        project.edit("config.yaml", partial(add, values=yaml.safe_load(block)))
    commands = re.findall(r"^\$ (.*)$", section(), re.MULTILINE)
    assert [command.split()[0] for command in commands].count("snakemake") == 2
    for command in commands:
        program, *arguments = shlex.split(command)
        done = project.run(sys.executable, "-m", program, *arguments)
        assert done.returncode == 0, f"{command}\n{(done.stdout + done.stderr)[-5000:]}"
        with (project.root / "said.txt").open("a") as said:
            said.write(done.stdout)
    return project


def answers(project: Project, run: str) -> list[dict]:
    return read_jsonl(project.root / f"results/rehearsal/predictions/{run}.jsonl")


def test_every_scene_has_all_its_pictures_in_their_order(project):
    scenes = read_jsonl(project.root / f"data/raw/{SOCIALNAV}/scenarios.jsonl")
    assert [len(scene["images"]) for scene in scenes] == [FRAMES] * SCENES
    assert [Path(picture["path"]).stem for picture in scenes[0]["images"]] == [str(k) for k in range(FRAMES)]
    scenes = read_jsonl(project.root / f"data/raw/{CAMERAS}/scenarios.jsonl")
    assert [[p["name"] for p in scene["images"]] for scene in scenes] == [["front camera", "rear camera"]] * SCENES
    assert (project.root / "socialnav.html").read_text().count("<img ") == SCENES * FRAMES
    assert f"of {FRAMES} pictures, " in (project.root / "said.txt").read_text(), "the estimate of memory knows the data"


@pytest.mark.parametrize(("run", "members", "turns"), [(SFT, 1, 5), (PAIR, 2, 3)], ids=[SOCIALNAV, CAMERAS])
def test_members_learn_and_answer_in_the_whole_dialogue(project, run, members, turns):
    record = read_json(project.root / f"results/rehearsal/checkpoints/{run}/run.json")
    assert record["spec"]["training"]["context"] == "full"
    losses = [json.loads(line) for line in (project.root / f"results/rehearsal/checkpoints/{run}/losses.jsonl").open()]
    name = next(name for name in losses[0] if name.startswith("sft_"))
    assert losses[-1][name] < 0.7 * losses[0][name]
    said = answers(project, run)
    assert len(said) == members * turns * 4
    texts = {(line["role"], line["id"], line["turn"]): line["text"] for line in said}
    order = list(dict.fromkeys(line["turn"] for line in said))
    for line in said:
        before = order[: order.index(line["turn"])]
        assert [text for _, text in line.get("earlier", [])] == [texts[line["role"], line["id"], t] for t in before]


def test_scores_are_there(project):
    metrics = read_json(project.root / f"results/rehearsal/metrics/{SFT}.json")
    assert set(metrics["members"][0]["summary"]) == {"action_f1", "perception_cos", "reasoning_cos"}
    metrics = read_json(project.root / f"results/rehearsal/metrics/{PAIR}.json")
    for member in metrics["members"]:
        assert set(member["summary"]) == {"scene_cos", "move_f1", "move_accuracy"}
        assert len(member["items"]) == 4


def test_reference_answers_in_the_context_are_another_evaluation_and_no_other_training(project):
    changed = "evaluation={earlier: {value: reference, assumed: test}}"
    jobs = project.jobs(f"results/rehearsal/metrics/{PAIR}.json", "--config", "scale=rehearsal", changed)
    assert set(jobs) == {"generate", "score"}


def test_a_member_is_asked_about_both_cameras_as_in_the_evaluation(project):
    member = f"results/rehearsal/checkpoints/{PAIR}/learner"
    command = [sys.executable, "-m", "gcl", "predict", "--checkpoint", member, "--json"]
    for camera in ("front", "rear"):
        command += ["--picture", f"{camera} camera=downloads/cameras/pictures/8-{camera}.png"]
    done = project.run(*command)
    assert done.returncode == 0, done.stderr
    expected = {
        line["turn"]: line["text"]
        for line in answers(project, PAIR)
        if (line["role"], line["id"]) == ("learner", "drive8")
    }
    assert json.loads(done.stdout)["answers"] == expected
