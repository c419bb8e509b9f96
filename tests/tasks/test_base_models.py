"""From an instruction set to a published base model: vocabulary, training, scores by kind, 16-bit weights."""

import json

import pytest
import torch
from conftest import ROOT
from transformers import AutoModelForImageTextToText

from gcl.data.encoding import Encoder
from gcl.data.scenario import Exchange
from gcl.errors import ConfigError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.weights import Weights
from gcl.experiment.yaml_files import Document
from gcl.files import read_json, write_json
from gcl.models import untrained
from gcl.models.backbone import load_backbone
from gcl.models.preprocessor import load_preprocessor
from gcl.planning.plans import TAGS
from gcl.tasks import jobs
from gcl.tasks.instructions.publish import publish_base_model
from gcl.tasks.instructions.read import read_instructions
from gcl.tasks.instructions.vocabulary import vocabulary
from gcl.tasks.instructions.write import InstructionDrawing, write_instructions

RUN = "instructions/pretraining/qwen3-vl-2b/default/seed11"
TEXT = RUN.replace("default", "text")
SHORT = {"epochs": {"value": 4, "assumed": "a test"}, "global_batch": {"value": 16, "assumed": "a test"}}


@pytest.fixture(scope="module")
def experiment():
    return load_experiment(
        root=ROOT,
        overrides=[Document("--scale", {"scale": "miniature"}), Document("test", {"base_models": {"training": SHORT}})],
    )


@pytest.fixture(scope="module")
def project(experiment, tmp_path_factory):
    """A folder in which the smallest model was trained for some steps and scored."""
    root = tmp_path_factory.mktemp("base-models")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        here, run = places(experiment), find_run(experiment, RUN)
        write_instructions(
            here.instructions,
            InstructionDrawing(
                scenes=16, states={"frozenlake": 4}, words=24, held_out=0.25, seed=3,
                levels={"frozenlake": [3]}, excluded=(), pixels_of_cell=32,
            ),
        )  # fmt: skip
        asked = [item.exchange for item in read_instructions(here.instructions, "train")]
        questions, answers = [one.question for one in asked], [one.answer for one in asked]
        size = experiment.base_models.vocabulary.value
        write_json(here.vocabulary, vocabulary(questions, answers, experiment.prompt.system.value, size))
        shape = experiment.base_models.models.value["qwen3-vl-2b"]
        untrained.build("qwen3_vl", shape, here.vocabulary, (784, 50176), 11, here.untrained("qwen3-vl-2b"))
        execution = ExecutionSpec(engine="plain", processes=1, loggers=[])
        for one in (find_run(experiment, run.trained_before[0]), run):
            jobs.train(experiment, one, execution, here.checkpoints(one.id), here.record(one.id))
        jobs.generate(experiment, run, here.predictions(run.id))
        jobs.score(experiment, run, here.metrics(run.id), here.summary(run.id))
        publish_base_model(run, here, root / "published")
    return root


def test_losses_fall_and_every_kind_is_scored(project, experiment):
    here = places(experiment)
    losses = [json.loads(line)["loss"] for line in (project / here.checkpoints(RUN) / "losses.jsonl").open()]
    assert losses[-1] < losses[0]
    (member,) = read_json(project / here.metrics(RUN))["members"]
    held_out = read_instructions(project / here.instructions, "test")
    assert {one["id"]: one["group"] for one in member["items"]} == {item.id: item.kind for item in held_out}
    assert {one["instruction_right"] for one in member["items"]} <= {0.0, 1.0}


def test_words_alone_come_first(project, experiment):
    here = places(experiment)
    texts = [item for item in read_instructions(project / here.instructions, "train") if item.kind.startswith("text/")]
    steps, epochs = -(-len(texts) // 16), experiment.base_models.text_epochs.value
    first = [json.loads(line)["loss"] for line in (project / here.checkpoints(TEXT) / "losses.jsonl").open()]
    assert len(first) == steps * epochs and first[-1] < 0.8 * first[0]
    assert read_json(project / "published/training.json")["first_losses"] == first[:20]


def test_a_published_model_is_the_trained_one_in_half_the_bits(project, experiment):
    trained = load_backbone(Weights(path=str(project / places(experiment).checkpoints(RUN) / "solo")))
    published = load_backbone(Weights(path=str(project / "published")))
    for (name, before), after in zip(trained.named_parameters(), published.parameters(), strict=True):
        assert torch.equal(before.half().float(), after), name
    assert (project / "published/model.safetensors").stat().st_size < 6 * 2**20
    assert AutoModelForImageTextToText.from_pretrained(project / "published").dtype == torch.float16
    folders = project / "published", project / "results/miniature/untrained/qwen3-vl-2b"
    own, built = (load_preprocessor(Weights(path=str(folder))).tokenizer.get_vocab() for folder in folders)
    assert own == built
    facts = read_json(project / "published/training.json")
    assert sum(one["questions"] for one in facts["held_out"].values()) == len(
        read_instructions(project / places(experiment).instructions, "test")
    )
    assert "A miniature base model" in (project / "published/README.md").read_text()


def test_cells_tags_and_shared_lines_are_one_token(project):
    tokenizer = load_preprocessor(Weights(path=str(project / "published"))).tokenizer
    for text in ("<answer>", "(0,2)", " (2,1)", "You are a helpful assistant."):
        assert len(tokenizer.encode(text)) == 1, text
    assert tokenizer.decode(tokenizer.encode("<answer>RRDD</answer>")) == "<answer>RRDD</answer>"
    assert len(tokenizer.encode("RRDD")) == 4
    assert len(tokenizer.encode("..T\nTP.\n.A.\n")) == 12


def test_every_text_comes_back_as_it_was(project, experiment):
    tokenizer = load_preprocessor(Weights(path=str(project / "published"))).tokenizer
    folder = project / places(experiment).instructions
    asked = [item.exchange for split in ("train", "test") for item in read_instructions(folder, split)]
    for text in (text for one in asked for text in (one.question, one.answer)):
        assert tokenizer.decode(tokenizer(text)["input_ids"], clean_up_tokenization_spaces=False) == text


def test_the_frame_of_a_chat_is_cut_as_published_tokenizers_cut_it(project, experiment):
    preprocessor, system = load_preprocessor(Weights(path=str(project / "published"))), experiment.prompt.system.value
    ids = Encoder(preprocessor, system).prompt(Exchange("e", (), "1", "")).ids
    tokens = [preprocessor.tokenizer.decode([token]) for token in ids]
    start, end = "<|im_start|>", "<|im_end|>"
    turns = [[start, role, "\n", text, end, "\n"] for role, text in (("system", system), ("user", "1"))]
    assert tokens == [*turns[0], *turns[1], start, "assistant", "\n"]


def test_nothing_that_tells_of_a_state_is_a_phrase():
    """A model must copy sizes, rows and plans token by token. Only a long line of many questions is one token."""
    rules, row = "Move the player from start to goal and avoid holes.", "SFF"
    questions = [
        f"{rules}\nThe grid has {k % 4 + 2} rows.\n{row if k % 2 else row[::-1]}\n{'RD' * k}" for k in range(60)
    ]
    phrases = vocabulary(questions, ["<answer>RRDD</answer> (0,1)"], "Solve it.", 300)["qwen"]["phrases"]
    assert set(phrases) - set(TAGS) == {"Solve it.", "(0,1)", " (0,1)", rules}


def test_published_scales_make_no_base_models(experiment):
    paper = load_experiment(root=ROOT, overrides=[Document("--scale", {"scale": "paper"})])
    with pytest.raises(ConfigError, match="base models of scale paper are published ones"):
        find_run(paper, RUN)
    with pytest.raises(ConfigError, match="sft is no method for instructions; use one of pretraining"):
        find_run(experiment, "instructions/sft/qwen3-vl-2b/default/seed11")


def test_a_base_model_of_a_task_is_not_trained(experiment, tmp_path):
    run = find_run(experiment, "snei/base/qwen3-vl-4b/default/seed0")
    with pytest.raises(ConfigError, match="nothing is trained for a base model; ask it with: gcl generate"):
        jobs.train(experiment, run, ExecutionSpec(engine="plain", processes=1, loggers=[]), tmp_path / "out")
