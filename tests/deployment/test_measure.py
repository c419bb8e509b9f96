"""Measurements: intervals, energy counters, and repetitions that are kept."""

import math
import shutil

import pytest
from deployment_case import make_member
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from gcl.deployment import energy, measure
from gcl.deployment.deploy import deploy
from gcl.deployment.energy import Counter, Meter
from gcl.deployment.measured_process import MEASURES
from gcl.errors import CheckpointError
from gcl.evaluation.asked_member import find_member

TIMES = st.floats(1e-4, 1e4)


@given(st.lists(TIMES, min_size=2, max_size=20))
def test_intervals_are_students_t_of_logarithms(values):
    found = measure.interval(values)
    assert found["low"] <= found["mean"] <= found["high"]
    if len(set(values)) > 1 and max(values) > 1.001 * min(values):
        reference = stats.ttest_1samp([math.log(value) for value in values], 0).confidence_interval(0.95)
        assert math.isclose(found["low"], math.exp(reference.low), rel_tol=1e-6)
        assert math.isclose(found["high"], math.exp(reference.high), rel_tol=1e-6)
        assert math.isclose(found["mean"], stats.gmean(values), rel_tol=1e-9)


def test_one_value_has_no_interval_and_a_missing_one_no_mean():
    assert measure.interval([2.0]) == {"mean": 2.0, "low": None, "high": None}
    assert measure.interval([2.0, None]) is None
    assert measure.interval([2.0, 0.0]) is None, "a counter that is too coarse"


def zone(folder, name, title, used, most=1000):
    place = folder / name
    place.mkdir()
    (place / "name").write_text(f"{title}\n")
    (place / "energy_uj").write_text(f"{used}\n")
    (place / "max_energy_range_uj").write_text(f"{most}\n")
    return place / "energy_uj"


def test_processors_are_counted_once_and_counters_begin_again(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "_gpus", list)
    first = zone(tmp_path, "intel-rapl:0", "package-0", 900)
    zone(tmp_path, "intel-rapl:0:0", "core", 10)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 100)
    zone(tmp_path, "intel-rapl:2", "psys", 10)
    meter = Meter(tmp_path)
    meter.start()
    first.write_text("50")  # 150 later, past the largest number
    second.write_text("300")
    assert math.isclose(meter.stop(), 350e-6)


def test_a_machine_may_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "_gpus", list)
    meter = Meter(tmp_path)
    meter.start()
    assert meter.stop() is None


def test_a_gpu_counts_as_well(tmp_path, monkeypatch):
    told = iter([5.0, 7.5])
    monkeypatch.setattr(energy, "_gpus", lambda: [Counter(lambda: next(told))])
    meter = Meter(tmp_path)
    meter.start()
    assert meter.stop() == 2.5


@pytest.fixture(scope="module")
def folders(backbones, tmp_path_factory):
    """The same member twice."""
    root = tmp_path_factory.mktemp("measured")
    member = find_member(str(make_member(backbones["qwen2_5_vl"], root / "member")))
    for name in ("float32", "bf16"):
        deploy(member, name, root / name)
    return [root / "float32", root / "bf16"]


def test_folders_take_turns_and_a_repetition_is_kept(folders, tmp_path, monkeypatch):
    asked = []

    def told(context, folder, pictures, threads):
        asked.append(folder.name)
        if len(asked) == 4:
            raise CheckpointError("interrupted")
        return dict.fromkeys(MEASURES, float(len(asked)))

    monkeypatch.setattr(measure, "_in_a_process", told)
    how = measure.Measurement(repetitions=2, scenes=1, width=64, height=48)
    with pytest.raises(CheckpointError, match="interrupted"), measure.measure(folders, how, [], tmp_path):
        pass
    assert asked == ["float32", "bf16", "float32", "bf16"]
    with pytest.raises(OSError, match="full"), measure.measure(folders, how, [], tmp_path):
        raise OSError("the disk is full")  # when the report is written
    assert asked[4:] == ["bf16"]  # the one that was missing
    with measure.measure(folders, how, [], tmp_path) as report:
        assert len(asked) == 5
    assert [one["repetitions"]["action_s"] for one in report["folders"]] == [[1.0, 3.0], [2.0, 5.0]]
    assert list(tmp_path.iterdir()) == []
    text = measure.as_text(report).splitlines()
    assert len(text) == 3 and "1.732 [" in text[1]  # the geometric mean of 1 and 3


def test_repetitions_of_a_copy_or_of_other_pictures_are_not_taken_over(folders, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(measure, "_in_a_process", lambda *how: asked.append(how[1]) or dict.fromkeys(MEASURES, 1.0))
    how = measure.Measurement(repetitions=1, scenes=1, width=64, height=48)
    copy, picture = tmp_path / "copy", tmp_path / "seen.png"
    shutil.copytree(folders[0], copy)
    Image.new("RGB", (8, 8)).save(picture)
    for shown in ([], [picture]):  # the first report is never written
        with pytest.raises(OSError), measure.measure([folders[0], copy], how, shown, tmp_path / "scratch"):
            raise OSError
    assert asked == [folders[0], copy] * 2


@pytest.mark.slow
def test_a_repetition_has_a_process_of_its_own(folders, tmp_path):
    how = measure.Measurement(repetitions=2, scenes=1, width=160, height=120)
    with measure.measure(folders, how, [], tmp_path) as report:
        measured = report["folders"]
    for one in measured:
        found = one["measures"]
        assert 0 < found["first_token_s"]["mean"] < found["action_s"]["mean"]
        assert found["turns_s"]["mean"] > 0 and found["tokens_per_s"]["mean"] > 0
        assert found["memory_mib"]["mean"] > found["growth_mib"]["mean"] > 0
