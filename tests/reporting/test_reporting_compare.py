"""Two scored runs side by side: the numbers of the tables, the better one of each, no meaningless comparison."""

import json

import pytest
from fake_metrics import ROOT, experiment_with, fake_file, fake_planning, frame, write_metrics

from gcl.cli.main import main
from gcl.evaluation.bootstrap import mean_interval
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import results_at
from gcl.files import write_json, write_jsonl
from gcl.reporting.metrics import load_metrics
from gcl.reporting.tables.planning_table import planning_table
from gcl.reporting.trace.compare import compare
from gcl.reporting.trace.scored import read_scored
from gcl.workflow.targets import TARGETS

EXPERIMENT = experiment_with()
SFT = "snei/sft/qwen2.5-vl-3b/default/seed0"
GCL = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
SAME = "snei/gcl/qwen2.5-vl-3b+qwen2.5-vl-3b/full/seed0"
A = {"s0": 0.2, "s1": 0.5, "s2": 0.9, "s3": 0.4, "s4": 0.3}
B = {"s0": 0.9, "s1": 0.5, "s2": 0.7, "s3": 0.6, "s4": 0.30000049}


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def stored(tmp_path):
    """Store a run with given scores (the same for all its members and metrics); returns its metrics file."""

    def store(run_id, scores, answers=None, change=lambda content: None):
        run = find_run(EXPERIMENT, run_id)
        content = fake_file(run, EXPERIMENT)
        for member in content["members"]:
            pattern = member["items"][0]
            names = [name for name in pattern if name not in ("id", "action_accuracy")]
            correct = {"action_accuracy": 1.0} if "action_accuracy" in pattern else {}
            member["items"] = [{"id": i} | dict.fromkeys(names, score) | correct for i, score in scores.items()]
            mean = mean_interval(list(scores.values()), 100)
            member["summary"] |= dict.fromkeys(names, mean)
        change(content)
        path = results_at("miniature", tmp_path).metrics(run_id)
        write_json(path, content)
        if answers:
            records = [
                {"role": m.role, "turn": turn, "id": i, "question": "?", "reference": "r", "text": f"{text} ({turn})"}
                for m in run.members
                for turn in ("action", "reasoning")
                for i, text in answers.items()
            ]
            write_jsonl(tmp_path / f"miniature/predictions/{run_id}.jsonl", records)
        return path

    return store


def fails(capsys, *arguments) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gcl: error: ") and "Traceback" not in error
    return error


def test_differences_are_paired_and_those_of_the_tables(stored):
    found = compare(read_scored(stored(SFT, A)), read_scored(stored(GCL, B)), resamples=300)
    (pair,) = found.pairs
    assert pair.roles == ("solo", "learner") and pair.models == ("qwen2.5-vl-3b",) * 2
    assert list(pair.metrics) == ["action_f1", "perception_cos", "reasoning_cos"], "snei has no closed list"
    difference = pair.metrics["action_f1"]
    expected = mean_interval([B[i] - A[i] for i in A], 300)
    assert (difference.difference, difference.low, difference.high) == pytest.approx(
        (expected["mean"], expected["low"], expected["high"])
    )
    assert (difference.a, difference.b) == pytest.approx((sum(A.values()) / 5, sum(B.values()) / 5))
    assert (difference.a_better, difference.b_better) == (1, 2), "s1 is a tie, and so is the rounding of s4"


def test_scenes_that_differ_most_come_with_scores_and_answers(stored):
    a = read_scored(stored(SFT, A, answers={"s0": "Stop.", "s2": "Go."}))
    b = read_scored(stored(GCL, B))
    scenes = compare(a, b, worst=2, resamples=50).pairs[0].worst
    # s2 and s3 differ by 0.2 up to rounding of binary fractions.
    assert scenes[0].id == "s0" and scenes[1].id in ("s2", "s3") and len(scenes) == 2
    assert scenes[0].a.answer == "Stop. (action)" and scenes[0].b.answer is None
    assert (scenes[0].a.scores["action_f1"], scenes[0].b.scores["action_f1"]) == (0.2, 0.9)
    every = compare(a, b, worst=99, resamples=50).pairs[0].worst
    assert {scene.id for scene in every} == {"s0", "s2", "s3"}, "ties do not differ"


def test_a_closed_list_has_accuracy(stored):
    run = SFT.replace("snei", "muson")

    def wrong(content):
        content["members"][0]["items"][0]["action_accuracy"] = 0.0

    a, b = read_scored(stored(run, A, change=wrong)), read_scored(stored(GCL.replace("snei", "muson"), A))
    difference = compare(a, b, resamples=50).pairs[0].metrics["action_accuracy"]
    assert (difference.difference, difference.a_better, difference.b_better) == (pytest.approx(0.2), 0, 1)


def test_learner_goes_with_learner_where_a_model_competes_with_itself(stored):
    same, sft = read_scored(stored(SAME, A)), read_scored(stored(SFT, B))

    def roles(*runs):
        return [pair.roles for pair in compare(*runs, resamples=10).pairs]

    assert roles(same, same) == [("learner", "learner"), ("guide", "guide")]
    assert roles(sft, same) == [("solo", "learner"), ("solo", "guide")]


def test_people_get_a_table(capsys, stored, tmp_path):
    stored(SFT, A, answers={"s0": "Stop.\nNow."})
    stored(GCL, B)
    assert main(["compare", SFT, GCL, "--results", str(tmp_path), "--worst", "1"]) == 0
    text = capsys.readouterr().out
    assert f"A: {SFT}\nB: {GCL}\n" in text
    assert "A solo qwen2.5-vl-3b  B learner qwen2.5-vl-3b" in text
    line = next(line for line in text.splitlines() if "Action-F1  " in line)
    assert line.split()[:4] == ["Action-F1", "0.460", "0.600", "+0.140"] and line.split()[-3:] == ["†", "1", "2"]
    assert "  s0  A 0.200  Stop. Now. (action)\n      B 0.900\n" in text
    assert "over 5 test scenes" in text


def test_programs_get_json_and_files_can_be_named(capsys, stored):
    paths = [str(stored(SFT, A)), str(stored(GCL, B))]
    assert main(["compare", *paths, "--members", "solo", "guide", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == [SFT, GCL] and found["files"] == paths and found["scenes"] == 5 and found["notes"] == []
    (pair,) = found["pairs"]
    assert pair["roles"] == ["solo", "guide"] and pair["models"] == ["qwen2.5-vl-3b", "qwen3-vl-4b"]
    assert set(pair["metrics"]["action_f1"]) == {"a", "b", "difference", "low", "high", "a_better", "b_better"}
    assert pair["worst"][0]["a"]["answer"] is None


def test_other_code_or_training_data_is_said(capsys, stored):
    def other(content):
        content["provenance"]["code_sha256"]["training"] = "t2"
        content["provenance"]["manifests"]["train"] = "more"

    paths = [str(stored(SFT, A)), str(stored(GCL, B, change=other))]
    assert main(["compare", *paths]) == 0
    text = capsys.readouterr().out
    assert "note: the two were made with different training data" in text
    assert "note: the two were made with different training code" in text
    assert "evaluation code" not in text


DIFFERENT = {
    "test manifests": lambda p: p["manifests"].update(test="other"),
    "metric models": lambda p: p["metric_models"].update(bert="other"),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_cannot_be_compared_is_refused(capsys, stored, what):
    a, b = stored(SFT, A), stored(GCL, B, change=lambda content: DIFFERENT[what](content["provenance"]))
    error = fails(capsys, "compare", a, b)
    assert f"{a} and {b} were scored with different {what}" in error and "snakemake" in error


def test_other_scenes_are_refused(capsys, stored):
    error = fails(capsys, "compare", stored(SFT, A), stored(GCL, dict(list(B.items())[1:])))
    assert "do not hold the same scenes" in error


def test_members_that_are_not_there_are_named(capsys, stored):
    a, b = stored(SFT.replace("2.5-vl-3b", "3-vl-2b"), A), stored(GCL, B)
    assert "--members solo learner" in fails(capsys, "compare", a, b)
    assert "no member 'guide'; it has solo qwen3-vl-2b" in fails(capsys, "compare", a, b, "--members", "guide", "guide")


def test_runs_that_are_not_there_are_named(capsys, stored, tmp_path):
    path = stored(SFT, A)
    results = ["--results", tmp_path]
    assert "no such file; make it with: snakemake" in fails(capsys, "compare", SFT, GCL, *results)
    assert "'snei/sft' is no run id" in fails(capsys, "compare", SFT, "snei/sft", *results)
    assert "no such file" in fails(capsys, "compare", SFT, GCL, *results, "--scale", "paper")
    path.write_text('{"scale": "miniature"}')
    assert "not a metrics file: run: Field required" in fails(capsys, "compare", path, path)


MGSD = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
READING = "planning/reading/qwen3-vl-4b/default/seed0"


@pytest.fixture
def planned(tmp_path):
    """Metrics of planning tasks: MGSD reaches all goals, the stage before none of the lakes'."""

    def success(asked, task, k):
        return 1.0 if asked.run == MGSD else float(task != "frozenlake")

    write_metrics(tmp_path, fake_planning(EXPERIMENT, success))
    return tmp_path


def test_runs_on_planning_tasks_are_compared_state_by_state(planned, capsys):
    assert main(["compare", READING, MGSD, "--results", str(planned), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == [READING, MGSD] and found["scenes"] == 8
    (pair,) = found["pairs"]
    assert pair["roles"] == ["solo", "student"] and pair["models"] == ["qwen3-vl-4b"] * 2
    assert list(pair["headers"]) == [
        "image_success", "image_optimal", "image_parsed", "image_success_staying", "reading_all",
    ], "of fewer illegal plans nobody is better"  # fmt: skip
    success = pair["metrics"]["image_success"]
    # Macro means, as in the table: three tasks, one of which differs.
    assert (success["a"], success["b"]) == (pytest.approx(2 / 3), pytest.approx(1.0))
    assert success["difference"] == pytest.approx(1 / 3) and (success["a_better"], success["b_better"]) == (0, 4)
    assert {scene["id"] for scene in pair["worst"]} == {f"frozenlake-{k}" for k in range(4)}
    table = frame(
        planning_table(EXPERIMENT, load_metrics(planned, "miniature", TARGETS["planning"].metrics(EXPERIMENT)))
    ).set_index(["model", "arm"])
    row = table.loc[("qwen3-vl-4b", "stages 1 and 2 (MGSD)")]
    assert (success["low"], success["high"]) == pytest.approx((row["success_gain_low"], row["success_gain_high"]))


def test_a_base_model_is_compared_and_plans_are_shown(planned, capsys):
    base = "planning/base/qwen3-vl-4b/default/seed0"
    answers = [
        {"role": "student", "turn": turn, "id": f"{task}-{k}", "text": f"{turn} {k}"}
        for turn in ("image", "reading")
        for task in ("frozenlake", "maze", "minibehaviour")
        for k in range(4)
    ]
    write_jsonl(planned / f"miniature/predictions/{MGSD}.jsonl", answers)
    assert main(["compare", base, MGSD, "--results", str(planned)]) == 0
    text = capsys.readouterr().out
    assert f"A: {base}\n" in text and "scenes that differ most in Image success" in text
    assert "B 1.000  image 0" in text and "reading 0" not in text
    assert "Reading all" in text


def test_what_cannot_be_compared_on_planning_tasks_is_refused(planned, stored, capsys):
    results, answer = ["--results", planned], "planning/plan/qwen3-vl-4b/default/seed0"
    assert "have no metric in common (image_success, image_optimal, " in fails(
        capsys, "compare", MGSD, answer, *results
    )
    assert "different test manifests" in fails(capsys, "compare", stored(SFT, A), MGSD, *results)
    assert "is no run id" in fails(capsys, "compare", READING, f"{MGSD}/looking", *results)
