"""Write rows and print each number after its COMMIT: `python -m tests.faults.plain_writer FILE SYNCHRONOUS`."""

import itertools
import sqlite3
import sys


def main(file: str, synchronous: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    for number in itertools.count():
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        print(number, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
