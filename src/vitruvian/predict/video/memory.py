"""What one frame of a clip leaves to the next; as JSON, so that a killed run goes on exactly where it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vitruvian.predict.video.draw import Range
from vitruvian.predict.video.smooth import Jitter, Smoother
from vitruvian.predict.video.track import Tracker


@dataclass
class Memory:
    """What one frame leaves to the next. ends: depths of the brightest and darkest colour, once they are known."""

    tracker: Tracker = field(default_factory=Tracker)
    smoother: Smoother = field(default_factory=Smoother)
    before: Jitter = field(default_factory=Jitter)
    after: Jitter = field(default_factory=Jitter)
    ends: Range | None = None
    next: int = 0

    def state(self) -> dict[str, Any]:
        """All of it as JSON holds it, exactly."""
        parts = {name: getattr(self, name).state() for name in ("tracker", "smoother", "before", "after")}
        return {**parts, "ends": self.ends, "next": self.next}

    def restore(self, state: dict[str, Any]) -> None:
        """Back to what `state` was."""
        for name in ("tracker", "smoother", "before", "after"):
            getattr(self, name).restore(state[name])
        self.ends = None if state["ends"] is None else (state["ends"][0], state["ends"][1])
        self.next = state["next"]
