"""What must hold after any fault, in one command: `python -m tests.faults.invariants --help`.

The exit code is 0 when everything holds; otherwise it is 1, and each violation is a line. The numbers are those of the
catalogue of faults; its I4 is about jobs, which this service does not have.
"""

import argparse
import asyncio
import http.client
import json
import sqlite3
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from app.database.address import is_sqlite, parse, sqlite_file
from app.database.migrate import ALEMBIC_INI
from tests.faults.acks import Ack, AckLog

READY_WITHIN_S = 30
UNAVAILABLE = 503
_ROWS = "SELECT request_id, predicted_class_name FROM request_history WHERE success ORDER BY id"
_REVISION = "SELECT version_num FROM alembic_version"
_BALANCES = "SELECT id, balance FROM users ORDER BY id"
_LEDGER = "SELECT id, user_id, type, amount, balance_after FROM transactions ORDER BY id"
_BROKEN_INDEXES = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
_HAS_AMCHECK = "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'"
_CHECK_INDEXES = """
SELECT bt_index_check(index => pg_class.oid, heapallindexed => true)
FROM pg_class JOIN pg_am ON pg_am.oid = pg_class.relam
WHERE pg_am.amname = 'btree' AND pg_class.relkind = 'i' AND pg_class.relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where to look. A service that does not run has no address, and one without a log is not asked for it."""

    database_url: str
    acks: AckLog
    url: str | None = None
    #: its logs, and from which byte on each is searched
    logs: Mapping[Path, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """What a database says of itself."""

    rows: Sequence[tuple[str, str]]
    revision: str | None
    damages: Sequence[str] = field(default=())
    #: number and balance of each account
    balances: Sequence[tuple[int, int]] = field(default=())
    #: number, account, type, amount and balance afterwards of each transaction, in their order
    ledger: Sequence[tuple[int, int, str, int, int]] = field(default=())


def violations(evidence: Evidence) -> list[str]:
    """Return everything that does not hold, as sentences."""
    address = parse(evidence.database_url)
    found = _look_into_sqlite(sqlite_file(address)) if is_sqlite(address) else asyncio.run(_look_into_postgres(address))
    acks = evidence.acks.read()
    return [
        *lost_or_changed(acks, found.rows),
        *repeated(acks),
        *unbalanced(found.balances, found.ledger),
        *(f"I5: the database is damaged: {damage}" for damage in found.damages),
        *_wrong_revision(found.revision),
        *(_unhealthy(evidence.url) if evidence.url else ()),
        *(complaint for log, start in evidence.logs.items() for complaint in unexpected_errors(log, start)),
    ]


def lost_or_changed(acks: Sequence[Ack], rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """I1: whatever was acknowledged is in the history, with the classes that were acknowledged."""
    stored: defaultdict[str, list[str]] = defaultdict(list)
    for request_id, name in rows:
        stored[request_id].append(name)
    for ack in acks:
        kept = tuple(stored.get(ack.request_id, ()))
        if not kept:
            yield f"I1: {ack.request_id} was acknowledged and is lost"
        elif kept != ack.classes:
            yield f"I1: {ack.request_id} was acknowledged with {ack.classes} and is stored with {kept}"


def unbalanced(balances: Sequence[tuple[int, int]], ledger: Sequence[tuple[int, int, str, int, int]]) -> Iterator[str]:
    """I2: every balance is what its transactions add up to, each of them says so itself, and none is below zero."""
    sums: defaultdict[int, int] = defaultdict(int)
    for number, user_id, kind, amount, balance_after in ledger:
        sums[user_id] += -amount if kind == "withdraw" else amount
        if sums[user_id] != balance_after:
            yield f"I2: transaction {number} says {balance_after} and leaves {sums[user_id]}"
    for user_id, balance in balances:
        if balance != sums[user_id] or balance < 0:
            yield f"I2: account {user_id} has {balance}, its transactions make {sums[user_id]}"


def repeated(acks: Sequence[Ack]) -> Iterator[str]:
    """I3: no id was given to two answers."""
    for request_id, times in Counter(ack.request_id for ack in acks).items():
        if times > 1:
            yield f"I3: {request_id} was acknowledged {times} times"


def unexpected_errors(log: Path, start: int = 0) -> Iterator[str]:
    """I6: the log of a service under LOG_FORMAT=json shows no 5xx but 503, no error nobody expected, no traceback."""
    for line in log.read_bytes()[start:].decode(errors="replace").splitlines():
        event = _event(line)
        status = event.get("status")
        if isinstance(status, int) and status >= http.client.INTERNAL_SERVER_ERROR and status != UNAVAILABLE:
            yield f"I6: {event.get('method')} {event.get('route')} was answered with {status}"
        if event.get("event") == "unexpected_error" or "Traceback (most recent call last)" in line:
            yield f"I6: the log has an error nobody expected: {line[:300]}"


def _event(line: str) -> Mapping[str, object]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _wrong_revision(revision: str | None) -> Iterator[str]:
    head = ScriptDirectory.from_config(Config(ALEMBIC_INI)).get_current_head()
    if revision != head:
        yield f"I5: the schema is at {revision}, not at {head}"


def _look_into_sqlite(file: Path) -> Found:
    try:
        return _read_sqlite(file)
    except sqlite3.DatabaseError as error:
        return Found(rows=(), revision=None, damages=[str(error)])


def _read_sqlite(file: Path) -> Found:
    with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=10)) as connection:
        connection.execute("BEGIN")  # one moment for all that is read
        health = [text for (text,) in connection.execute("PRAGMA integrity_check")]
        orphans = [str(row) for row in connection.execute("PRAGMA foreign_key_check")]
        return Found(
            rows=connection.execute(_ROWS).fetchall(),
            revision=connection.execute(_REVISION).fetchone()[0],
            damages=[*(text for text in health if text != "ok"), *orphans],
            balances=connection.execute(_BALANCES).fetchall(),
            ledger=connection.execute(_LEDGER).fetchall(),
        )


async def _look_into_postgres(address: URL) -> Found:
    url = address.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url, timeout=5)
    try:
        damages = [f"{name} is not valid" for (name,) in await connection.fetch(_BROKEN_INDEXES)]
        if await connection.fetchval(_HAS_AMCHECK):
            damages += await _corrupt_indexes(connection)
        async with connection.transaction(isolation="repeatable_read"):
            return await _read_postgres(connection, damages)
    finally:
        await connection.close()


async def _read_postgres(connection: asyncpg.Connection, damages: Sequence[str]) -> Found:
    return Found(
        rows=[(row[0], row[1]) for row in await connection.fetch(_ROWS)],
        revision=await connection.fetchval(_REVISION),
        damages=damages,
        balances=[(row[0], row[1]) for row in await connection.fetch(_BALANCES)],
        ledger=[(row[0], row[1], row[2], row[3], row[4]) for row in await connection.fetch(_LEDGER)],
    )


async def _corrupt_indexes(connection: asyncpg.Connection) -> list[str]:
    try:
        await connection.fetch(_CHECK_INDEXES)
    except asyncpg.IndexCorruptedError as error:
        return [str(error)]
    return []


def _unhealthy(url: str) -> Iterator[str]:
    """I6: the service is alive, and ready within a moment."""
    for path in ("/health/live", "/health/ready"):
        if (last := _poll(url, path)) != http.client.OK:
            yield f"I6: {path} answers {last}"


def _poll(url: str, path: str) -> int | str:
    """Ask until the answer is 200 or the patience ends; return the last answer."""
    last: int | str = "nothing"
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s:
        try:
            last = _status(url, path)
        except (OSError, http.client.HTTPException) as error:
            last = repr(error)
        if last == http.client.OK:
            break
        time.sleep(0.2)
    return last


def _status(url: str, path: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def main(arguments: Sequence[str] | None = None) -> int:
    """Check from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.invariants", description=__doc__)
    parser.add_argument("--database", required=True, metavar="URL", help="as in DATABASE_URL")
    parser.add_argument("--acks", required=True, type=Path, metavar="FILE", help="the client's log of answers")
    parser.add_argument("--url", metavar="URL", help="where the service answers, if it runs")
    parser.add_argument("--log", action="append", default=[], type=Path, metavar="FILE", help="its log, in JSON")
    chosen = parser.parse_args(arguments)
    evidence = Evidence(
        database_url=chosen.database, acks=AckLog(chosen.acks), url=chosen.url, logs=dict.fromkeys(chosen.log, 0)
    )
    found = violations(evidence)
    sys.stdout.writelines(f"{violation}\n" for violation in found or ["everything holds"])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
