"""Measure probes from a process of their own: `python -m tests.faults.prober PORT SECONDS`."""

import json
import sys
import time
from http.client import HTTPConnection

PAUSE_S = 0.1


def main(port: str, duration_s: str) -> None:
    waits_s = []
    end_s = time.monotonic() + float(duration_s)
    while time.monotonic() < end_s:
        started_s = time.monotonic()
        connection = HTTPConnection("127.0.0.1", int(port), timeout=30)
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        connection.close()
        waits_s.append(time.monotonic() - started_s)
        time.sleep(PAUSE_S)
    print(json.dumps(waits_s))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
