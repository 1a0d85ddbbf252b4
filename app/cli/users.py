"""`ecg users`: accounts."""

import argparse
import getpass
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final

from app.cli.opening import opened_database
from app.core.config import Settings
from app.core.constants import Role
from app.core.exceptions import AccountFromSettings
from app.core.names import is_plain_text, name_key
from app.core.starting import StartRefused
from app.services.account_services import build_account_services
from app.services.accounts import AccountService, Registration, UserRecord

UsersCommand = Callable[[argparse.Namespace, Settings], Coroutine[object, object, None]]

PAGE: Final = 500
_PASSWORD: Final = "the password is asked for, or read from the first line of the standard input"  # noqa: S105 - a help text


def add_users_parser(rooms: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `users` and what it can do."""
    users = rooms.add_parser("users", help="make, list and close accounts").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = users.add_parser("create-admin", help=f"make an administrator; {_PASSWORD}")
    create.add_argument("email", metavar="EMAIL", help="address of the account")
    create.add_argument("--username", help="name of the account; by default the address")
    create.set_defaults(command=_create_admin)
    users.add_parser("list", help="list all accounts").set_defaults(command=_list)
    for name, command, explanation in (
        ("disable", _disable, "close an account and end its sessions"),
        ("enable", _enable, "open an account again"),
        ("reset-password", _reset_password, f"give an account another password; {_PASSWORD}"),
    ):
        parser = users.add_parser(name, help=explanation)
        parser.add_argument("name", metavar="NAME", help="user name or e-mail address")
        parser.set_defaults(command=command)


async def _create_admin(arguments: argparse.Namespace, settings: Settings) -> None:
    username = arguments.username or arguments.email
    if name_key(username) == name_key(settings.admin_username):
        raise AccountFromSettings  # the service makes that one itself, when it starts
    wish = Registration(username=username, email=arguments.email, password=_read_password(), role=Role.ADMIN)
    async with _accounts(settings) as accounts:
        _tell("made", await accounts.create(wish))


async def _list(_arguments: argparse.Namespace, settings: Settings) -> None:
    async with _accounts(settings) as accounts:
        offset = 0
        while users := (await accounts.list_all(limit=PAGE, offset=offset)).users:
            for user in users:
                sys.stdout.write(_line(user))
            offset += len(users)


async def _disable(arguments: argparse.Namespace, settings: Settings) -> None:
    async with _accounts(settings) as accounts:
        _tell("disabled", await accounts.set_active(arguments.name, is_active=False))


async def _enable(arguments: argparse.Namespace, settings: Settings) -> None:
    async with _accounts(settings) as accounts:
        _tell("enabled", await accounts.set_active(arguments.name, is_active=True))


async def _reset_password(arguments: argparse.Namespace, settings: Settings) -> None:
    password = _read_password()
    async with _accounts(settings) as accounts:
        _tell("password changed", await accounts.reset_password(arguments.name, password))


@asynccontextmanager
async def _accounts(settings: Settings) -> AsyncIterator[AccountService]:
    """Open the accounts, without the settings' administrator: in this shell the settings may not be the service's."""
    async with opened_database(settings) as database:
        yield build_account_services(settings, database).users


def _read_password() -> str:
    """Ask a person twice, a program once; never on the command line, where everybody on the machine can read it."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Once more: "):
        raise StartRefused("the two passwords differ")
    return password


def _tell(what: str, user: UserRecord) -> None:
    sys.stdout.write(f"{what}: {_line(user)}")


def _line(user: UserRecord) -> str:
    parts = (str(user.id), user.username, user.email or "-", user.role, "active" if user.is_active else "disabled")
    return "\t".join(part if is_plain_text(part) else repr(part) for part in parts) + "\n"
