"""Where a new process begins. It imports little: the supervising process reads this module too, and stays small."""

import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from socket import socket

from app.core.config import Settings
from app.core.siblings import Siblings


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """What a worker is given.

    Attributes
    ----------
    settings
        As the supervisor read them.
    listener
        The socket all workers accept from.
    supervisor
        The line to it: it says first which model to load, and its end is the end of the worker.
    slot
        The worker's place on the board.
    siblings
        What all workers share.
    """

    settings: Settings
    listener: socket
    supervisor: "Connection[object, object]"
    slot: int
    siblings: Siblings


def run_worker(post: Post) -> None:
    """Serve beside other processes until the supervisor ends, or says so."""
    from app.serving.worker import Worker  # noqa: PLC0415

    sys.exit(Worker(post).run())
