"""What every test shares: one thread, no hub, small scenes and backbones on disk."""

import gc
import os
import random
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from turns_case import TURNS

from gcl.data.scenario import Picture, Scenario, Turn
from gcl.experiment.base_models_schema import MiniatureModel
from gcl.experiment.dialogue import all_questions, dialogue_of
from gcl.experiment.load import load_experiment

# Before torch and transformers are imported, which the modules above do not do.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DS_ACCELERATOR"] = "cpu"
ROOT = Path(__file__).parents[1]
# Times say nothing on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile` all tests of SLURM go to one process, too, since they share one cluster."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "slurm" if nodeid.startswith("tests/slurm/") else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Spare collections of garbage what was imported, which takes them half a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def experiment():
    """The shipped experiment at miniature scale."""
    return load_experiment(None, ROOT)


@pytest.fixture(scope="session")
def scenarios(experiment, tmp_path_factory) -> list[Scenario]:
    """Twelve drawn scenes on disk, large enough that families need different numbers of visual tokens: 15 and 12."""
    from gcl.data.drawing import language, render
    from gcl.data.drawing.constellation import sample_scene

    folder, rng = tmp_path_factory.mktemp("scenes"), random.Random(0)
    speak = (language.perceive, language.predict, language.reason, language.act, language.explain)
    questions = dialogue_of(experiment, "snei").questions
    result = []
    for k in range(12):
        scene = sample_scene(rng)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(render, "PIXELS", (140, 84))
            render.render(scene, rng).save(folder / f"{k}.png")
        turns = {turn: Turn(questions[turn], say(scene, rng)) for turn, say in zip(TURNS, speak, strict=True)}
        result.append(Scenario(f"s{k:02d}", (Picture(folder / f"{k}.png"),), turns, "train", scene.action))
    return result


@pytest.fixture(scope="session")
def corpus(experiment) -> list[str]:
    """Texts of drawn scenes, from which vocabularies are made."""
    from gcl.data.drawing.datasets import text_corpus

    return list(text_corpus(7, all_questions(experiment), experiment.prompt.system.value, scenes=100))


@pytest.fixture(scope="session")
def vocabulary(corpus):
    """The miniature tokenizer's vocabulary, trained on fewer scenes."""
    from gcl.models.bpe import train_vocabulary

    return train_vocabulary(corpus, 400)


def tiny(**changes) -> MiniatureModel:
    """The shape of a model for tests."""
    usual = {
        "hidden_size": 32, "intermediate_size": 64, "layers": 2, "heads": 2, "kv_heads": 1,
        "vision_hidden_size": 32, "vision_layers": 2, "tied_head": True, "head_padding": 0,
    }  # fmt: skip
    return MiniatureModel(**usual | changes)


def write_backbone(folder: Path, family: str, vocabulary, shape: MiniatureModel) -> Path:
    """Write an untrained model."""
    from gcl.models.family import get_family
    from gcl.models.miniature import build_small

    model, preprocessor = build_small(get_family(family), shape, vocabulary, (784, 50176), seed=1)
    model.save_pretrained(folder)
    preprocessor.save(folder)
    return folder


@pytest.fixture(scope="session")
def backbones(vocabulary, tmp_path_factory) -> dict[str, Path]:
    """Two untrained backbones on disk, one of each of the paper's families, with heads of different height."""
    shapes = {"qwen2_5_vl": tiny(tied_head=False, head_padding=64), "qwen3_vl": tiny()}
    return {
        family: write_backbone(tmp_path_factory.mktemp(family), family, vocabulary, shape)
        for family, shape in shapes.items()
    }


@pytest.fixture(scope="session")
def all_backbones(corpus, vocabulary, backbones, tmp_path_factory) -> dict[str, Path]:
    """An untrained backbone of every family on disk; each has the tokenizer of its family."""
    from gcl.models.bpe import train_vocabulary
    from gcl.models.family import get_family, listed

    words = {
        "qwen": vocabulary,
        "gpt2": train_vocabulary(corpus, 420, "gpt2"),
        "gemma": train_vocabulary(corpus, 420, "gemma"),
    }
    others = {
        family: write_backbone(tmp_path_factory.mktemp(family), family, words[get_family(family).spelling], tiny())
        for family in listed()
        if family not in backbones
    }
    return backbones | others


@pytest.fixture
def alone(monkeypatch):
    """The variables of the environment that torchrun sets, for a single process in pytest's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {
        "RANK": 0,
        "LOCAL_RANK": 0,
        "WORLD_SIZE": 1,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }.items():
        monkeypatch.setenv(name, str(value))
