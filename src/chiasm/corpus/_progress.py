"""How a build is going: rate, time left, memory; a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import NamedTuple, Protocol, TextIO

from tqdm import tqdm


class Progress(NamedTuple):
    """The state of a build."""

    patients: int
    """Finished, those of earlier runs included."""
    patients_total: int
    images: int
    items: int
    images_per_s: float
    """Of this run; 0 until something is finished."""
    eta_s: float | None
    """Time left [s], or None while it is unknown."""
    worker_mb: float
    """Largest memory that any one worker ever held [MB]."""

    def line(self) -> str:
        """One line for people."""
        left = "?" if self.eta_s is None else _clock(self.eta_s)
        return (
            f"{self.patients}/{self.patients_total} patients, {self.images} images, {self.items} questions, "
            f"{self.images_per_s:.2f} images/s, {left} left, {self.worker_mb:.0f} MB a worker"
        )


class Report(Protocol):
    """Is told how the build goes."""

    def __call__(self, progress: Progress) -> None: ...


class Meter:
    """Measures one run: rate over this run's own work, so that a resumed build does not flatter itself."""

    def __init__(self, total: int, done: int, images: int) -> None:
        self._total, self._done_before, self._images_before = total, done, images
        self._start = time.monotonic()
        self._peak_mb = 0.0

    def progress(self, counts: dict[str, int], worker_mb: float) -> Progress:
        """The state, given the counts of everything finished."""
        self._peak_mb = max(self._peak_mb, worker_mb)
        elapsed = time.monotonic() - self._start
        done, images = counts.get("patients", 0), counts.get("images", 0)
        fresh = done - self._done_before
        return Progress(
            patients=done,
            patients_total=self._total,
            images=images,
            items=counts.get("items", 0),
            images_per_s=(images - self._images_before) / elapsed if fresh and elapsed > 0 else 0.0,
            eta_s=(self._total - done) * elapsed / fresh if fresh else None,
            worker_mb=self._peak_mb,
        )

    @property
    def elapsed_s(self) -> float:
        """Time since the run began [s]."""
        return time.monotonic() - self._start


class ConsoleReport:
    """A bar where the stream is a terminal; otherwise a line at most every `every_s` seconds."""

    def __init__(self, stream: TextIO | None = None, every_s: float = 10.0) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._every_s, self._last = every_s, -float("inf")
        self._told: Progress | None = None
        self._bar: tqdm[None] | None = None

    def __call__(self, progress: Progress) -> None:
        finished = progress.patients == progress.patients_total
        if finished and self._told is not None and self._told.patients == progress.patients:
            return
        self._told = progress
        if self._stream.isatty():
            if self._bar is None:
                self._bar = tqdm(total=progress.patients_total, unit="patient", file=self._stream, dynamic_ncols=True)
            self._bar.n = progress.patients
            self._bar.set_postfix_str(f"{progress.images_per_s:.2f} images/s, {progress.worker_mb:.0f} MB a worker")
            if finished:
                self._bar.close()
        elif finished or time.monotonic() - self._last >= self._every_s:
            self._last = time.monotonic()
            self._stream.write(progress.line() + "\n")
            self._stream.flush()


def _clock(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}"
