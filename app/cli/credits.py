"""`ecg credits`: what accounts have."""

import argparse
import sys

from app.cli.opening import opened_database
from app.core.config import Settings
from app.core.starting import StartRefused
from app.services.credits import build_credit_service


def add_credits_parser(rooms: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `credits` and what it can do."""
    commands = rooms.add_parser("credits", help="give credits, compare balances with the ledger").add_subparsers(
        required=True, metavar="COMMAND"
    )
    give = commands.add_parser("give", help="give credits to an account")
    give.add_argument("name", metavar="NAME", help="user name or e-mail address")
    give.add_argument("amount", metavar="AMOUNT", type=int, help="whole credits")
    give.add_argument("--note", help="a remark, shown beside the transaction")
    give.set_defaults(command=_give)
    check = commands.add_parser("check", help="make sure that every balance is what its transactions add up to")
    check.set_defaults(command=_check)


async def _give(arguments: argparse.Namespace, settings: Settings) -> None:
    async with opened_database(settings) as database:
        credit_service = build_credit_service(settings, database)
        work = await credit_service.give(arguments.name, arguments.amount, arguments.note)
        made = await database.writes.run(work)
    sys.stdout.write(f"given: {made.amount}, the balance is {made.balance_after}\n")


async def _check(_arguments: argparse.Namespace, settings: Settings) -> None:
    async with opened_database(settings) as database:
        wrong = await build_credit_service(settings, database).unbalanced()
    if wrong:
        raise StartRefused(f"the balance is not the sum of the transactions: account {', '.join(map(str, wrong))}")
    sys.stdout.write("every balance is the sum of its transactions\n")
