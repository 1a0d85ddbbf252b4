"""`ecg`: what whoever runs the service does from a console."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from app.cli.credits import add_credits_parser
from app.cli.users import UsersCommand, add_users_parser
from app.core.config import Settings
from app.core.exceptions import ServiceError
from app.core.logging import configure_logging
from app.core.messages import with_reason
from app.core.starting import StartRefused, tell_refusal

_REFUSED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the process's exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        names = ", ".join(".".join(map(str, fault["loc"])).upper() or fault["msg"] for fault in error.errors())
        sys.stderr.write(f"ecg: the settings will not do: {names}\n")
        return _REFUSED
    configure_logging("ERROR", as_json=settings.logs_json)
    try:
        command: UsersCommand = parsed.command
        asyncio.run(command(parsed, settings))
    except StartRefused as refusal:
        tell_refusal(refusal)
        return _REFUSED
    except ServiceError as refusal:
        sys.stderr.write(f"ecg: {with_reason(refusal, 'en')}\n")
        return _REFUSED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ecg", description="Looks after an ECG service, with its settings.")
    rooms = parser.add_subparsers(required=True, metavar="COMMAND")
    add_users_parser(rooms)
    add_credits_parser(rooms)
    return parser


if __name__ == "__main__":
    sys.exit(main())
