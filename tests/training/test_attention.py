"""execution.attention: another implementation gives the same losses; one that is not installed is named."""

import pytest
from group_case import losses, make_run, train_scenes

from gcl.errors import ConfigError
from gcl.experiment.execution import ExecutionSpec
from gcl.training import loop


def test_eager_attention_gives_the_losses_of_sdpa(backbones, scenarios, tmp_path, monkeypatch):
    spec, used = make_run(backbones, epochs=2), {}
    for attention in ("sdpa", "eager"):

        def engines(engine, *arguments, attention=attention, train=loop.accumulate):
            configs = [member.backbone.config for member in engine.members]
            used[attention] = {c._attn_implementation for m in configs for c in (m, m.text_config, m.vision_config)}
            return train(engine, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "accumulate", engines)
            execution, output = ExecutionSpec(attention=attention), tmp_path / attention
            train_scenes(spec, scenarios[:8], "data", execution, output, tmp_path / "scratch" / attention)
    assert used == {"sdpa": {"sdpa"}, "eager": {"eager"}}
    one, two = (losses(tmp_path / name) for name in used)
    assert one != two
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_what_is_not_installed_is_named(backbones, scenarios, tmp_path):
    execution = ExecutionSpec(attention="flash_attention_2")
    with pytest.raises(ConfigError, match=r"execution\.attention: flash_attention_2 is not possible here .*; use sdpa"):
        train_scenes(make_run(backbones), scenarios[:4], "data", execution, tmp_path / "out", tmp_path / "scratch")
