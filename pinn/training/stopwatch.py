"""The time that training takes, without what happens between steps now and then."""

import time


class Stopwatch:
    """Counts seconds while it runs; starting a running one, or stopping a stopped one, is fine."""

    def __init__(self) -> None:
        self.counted = 0.0
        self.since: float | None = None

    def start(self) -> None:
        """Count from now on."""
        if self.since is None:
            self.since = time.perf_counter()

    def stop(self) -> None:
        """Count no more until started again."""
        self.counted, self.since = self.seconds, None

    @property
    def seconds(self) -> float:
        """What was counted so far."""
        running = 0.0 if self.since is None else time.perf_counter() - self.since
        return self.counted + running
