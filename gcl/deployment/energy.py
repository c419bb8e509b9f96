"""Energy that a machine counts itself: `Meter().start()`, then `stop()` gives joules, or None where nothing is counted.

Intel and AMD processors count (RAPL), and Linux shows the counters below /sys/class/powercap, often to root alone. NVIDIA's
GPUs since Volta count, too (NVML). Counters are of whole packages and whole GPUs: others who use them are included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Counter:
    """A counter of joules that begins again at 0 after `most`; None: it never does."""

    read: Callable[[], float]
    most: float | None = None


class Meter:
    """Counters of this machine, read together."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._counters = [*_packages(powercap), *_gpus()]
        self._begin: list[float] = []

    def start(self) -> None:
        """Read all counters."""
        self._begin = [counter.read() for counter in self._counters]

    def stop(self) -> float | None:
        """Joules since `start`; None if the machine does not tell."""
        if not self._counters:
            return None
        total = 0.0
        for counter, begin in zip(self._counters, self._begin, strict=True):
            used = counter.read() - begin
            total += used + counter.most if used < 0 and counter.most else used
        return total


def _packages(powercap: Path) -> list[Counter]:
    """Processors, without the parts that their counters include."""
    found = []
    for zone in sorted(powercap.glob("intel-rapl:*")):  # AMD's have this name as well
        try:
            if zone.name.count(":") != 1 or not (zone / "name").read_text().startswith("package"):
                continue
            most = int((zone / "max_energy_range_uj").read_text()) / 1e6
            int((zone / "energy_uj").read_text())
        except (OSError, ValueError):
            continue
        found.append(Counter(lambda file=zone / "energy_uj": int(file.read_text()) / 1e6, most))
    return found


def _gpus() -> list[Counter]:
    """NVIDIA's GPUs that count."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, no GPU
        return []
    found = []
    for number in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(number)
        try:
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except pynvml.NVMLError:
            continue
        found.append(Counter(lambda handle=handle: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3))
    return found
