"""How hard the copy presses on its target: seconds per chunk, threads and rests from the volume."""

from dataclasses import dataclass

from engine.base import DEFAULT_VOLUME, VOLUMES


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    """What a volume means."""

    threads: int
    chunk_seconds: float  # so long the server works at a chunk, its commit aside
    rest: float  # pause after a chunk, as a share of that time


# Measured are two threads and 20 to 50 ms, with which a server's own statements copy as fast as its ALTER … ALGORITHM=COPY, and
# the default beside an application (docs/figures.md). The others are steps from there to the ends, not measured one by one.
_SETTINGS = {
    1: ThrottleSettings(threads=1, chunk_seconds=0.010, rest=3.0),
    2: ThrottleSettings(threads=1, chunk_seconds=0.020, rest=1.0),
    3: ThrottleSettings(threads=2, chunk_seconds=0.030, rest=0.0),
    4: ThrottleSettings(threads=2, chunk_seconds=0.045, rest=0.0),
    5: ThrottleSettings(threads=2, chunk_seconds=0.070, rest=0.0),
    6: ThrottleSettings(threads=3, chunk_seconds=0.070, rest=0.0),
    7: ThrottleSettings(threads=4, chunk_seconds=0.100, rest=0.0),
    8: ThrottleSettings(threads=5, chunk_seconds=0.150, rest=0.0),
    9: ThrottleSettings(threads=6, chunk_seconds=0.200, rest=0.0),
    10: ThrottleSettings(threads=8, chunk_seconds=0.300, rest=0.0),
    11: ThrottleSettings(threads=10, chunk_seconds=0.500, rest=0.0),
}
MOST_THREADS = max(settings.threads for settings in _SETTINGS.values())


GENTLE_SECONDS = 0.004
"""The application shares the processor and the disk with a chunk, so shorter chunks are gentler than longer rests. Measured:
chunks of 3 and 2 ms, or rests of 0.6, changed nothing but the time (docs/figures.md).
"""
GENTLE_REST = 0.3


def settings_of(volume: int, *, busy: bool = False) -> ThrottleSettings:
    """The settings of *volume*.

    Up to the default it gives way where an application writes beside us (*busy*). Whoever asks for more than that gets it.
    """
    settings = _SETTINGS[volume if volume in VOLUMES else DEFAULT_VOLUME]
    if volume > DEFAULT_VOLUME or not busy:
        return settings
    seconds, rest = min(settings.chunk_seconds, GENTLE_SECONDS), max(settings.rest, GENTLE_REST)
    return ThrottleSettings(threads=1, chunk_seconds=seconds, rest=rest)
