"""What a client was told, kept where no fault of the service can reach it."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ack:
    """One answer with a 2xx: its X-Request-ID and the classes it named, one for each ECG."""

    request_id: str
    classes: tuple[str, ...]


class AckLog:
    """A file of acknowledged answers, a JSON line each."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._turn = threading.Lock()
        file.touch()

    def add(self, request_id: str, classes: Sequence[str]) -> None:
        """Write an answer down as soon as it is there."""
        line = json.dumps({"request_id": request_id, "classes": list(classes)}) + "\n"
        with self._turn, self.file.open("a") as stream:
            stream.write(line)

    def read(self) -> list[Ack]:
        """Return all answers in the order they came."""
        lines = (json.loads(line) for line in self.file.read_text().splitlines())
        return [Ack(line["request_id"], tuple(line["classes"])) for line in lines]
