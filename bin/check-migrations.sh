#!/usr/bin/env bash
# Every migration goes up, matches the models, comes down and goes up again, on SQLite and on PostgreSQL.
# POSTGRES_ADMIN_URL points to a server where a scratch database may be made (default: the local one).
set -euo pipefail
cd "$(dirname "$0")/.."

scratch_dir=$(mktemp -d)
scratch_database="ecg_migrations_$$"
admin_url="${POSTGRES_ADMIN_URL:-postgresql://postgres@127.0.0.1:5432/test}"

postgres() {  # one statement, outside a transaction
    uv run python - "$admin_url" "$1" <<'PYTHON'
import asyncio
import sys

import asyncpg


async def main(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


asyncio.run(main(*sys.argv[1:]))
PYTHON
}

cleanup() {
    rm -rf "$scratch_dir"
    if [ -n "${postgres_made:-}" ]; then postgres "DROP DATABASE IF EXISTS $scratch_database"; fi
}
trap cleanup EXIT

up_down_up() {
    echo "migrations: $1"
    export DATABASE_URL="$2"
    uv run alembic upgrade head
    uv run alembic check
    uv run alembic downgrade base
    uv run alembic upgrade head
}

up_down_up "SQLite" "sqlite+aiosqlite:///$scratch_dir/scratch.db"

if postgres "CREATE DATABASE $scratch_database" 2>"$scratch_dir/error"; then
    postgres_made=1
    base_url="${admin_url%/*}"
    up_down_up "PostgreSQL" "${base_url/postgresql:/postgresql+asyncpg:}/$scratch_database"
elif [ "${REQUIRE_SERVICES:-0}" = "1" ]; then
    cat "$scratch_dir/error" >&2
    echo "migrations: REQUIRE_SERVICES=1, but PostgreSQL does not answer" >&2
    exit 1
else
    echo "migrations: PostgreSQL skipped, it does not answer at ${admin_url##*@}"
fi
