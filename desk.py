"""The `desk` command: everything that an operator says to Deskwire."""

import asyncio
import gc
import os
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from infra import console, embedded, supervisor

if TYPE_CHECKING:
    from alembic.config import Config

    from infra.desk import Desk

ROOT = Path(__file__).resolve().parent
NO_MAIL = "No mail waits."

# Seldom: while modules are read nearly all that is made stays. What runs on sets its own (`infra/garbage.py`).
gc.set_threshold(50_000)

app = typer.Typer(
    help="Deskwire: customer support over GraphQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print settings
)


def _version(wanted: bool) -> None:  # noqa: FBT001 # typer's own
    if wanted:
        about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        typer.echo(f"Deskwire {about['version']}")
        raise typer.Exit


@app.callback()
def join(
    context: typer.Context,
    *,
    _: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Every command but `up` works on the desk that runs in DATA_DIR, unless DATABASE_URL names another."""
    if context.invoked_subcommand != "up":
        supervisor.join(Path(os.environ.get("DATA_DIR") or ".data"))


@app.command()
def up() -> None:
    """Run all of it on this machine: PostgreSQL, Valkey, a mail catcher, the API and the worker."""
    with console.told():
        supervisor.up()


@app.command()
def serve() -> None:
    """Serve the API."""
    from web import serving

    serving.serve(console.settings())


@app.command()
def work() -> None:
    """Perform jobs, and do what the clock says."""
    from infra import garbage
    from workers import running

    garbage.spare()
    asyncio.run(running.work(console.settings()))


@app.command()
def receive() -> None:
    """Take mail for REPLY_DOMAIN at MAIL_DOOR_PORT: answers become comments on their tickets."""
    from workers import receiving

    settings = console.settings()
    if settings.mail_door_port is None or settings.reply_domain is None:
        console.refuse("MAIL_DOOR_PORT and REPLY_DOMAIN: are required")
    with console.told():
        asyncio.run(receiving.receive(settings, settings.mail_door_port))


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables, while the last version runs. Does nothing when it is there."""
    from infra import migrations

    # Mostly there is nothing to do. That is soon told; Alembic would take a second to find it out.
    if console.stands(console.settings()) == migrations.head():
        typer.echo(f"The database is at migration {migrations.head()}")
        return

    from alembic import command
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    alembic = _alembic()
    alembic.attributes["said"] = typer.echo
    try:
        command.upgrade(alembic, "head")
    except CommandError as refused:
        console.refuse(str(refused))
    except DBAPIError as failed:
        cause = (failed.orig and failed.orig.__cause__) or failed
        console.refuse(f"The database does not take the migration: {type(cause).__name__}: {cause}")
    if newer := alembic.attributes.get("newer"):
        typer.echo(f"The database is at migration {newer}, of a later version than this: it is left as it is")
    else:
        typer.echo(f"The database is at migration {migrations.head()}")


@app.command()
def seed(
    *,
    large: Annotated[bool, typer.Option(help="With 1,000,000 tickets.")] = False,
    tickets: Annotated[
        int, typer.Option(help="With so many tickets of three years, for a look at figures.", min=0)
    ] = 0,
) -> None:
    """Make the demo's people, services and tickets where they are missing. Only for the embedded desk."""
    from domain import demo

    settings = console.settings()
    if not settings.embedded:
        console.refuse("The demo people have a password that everybody knows: they are made under `desk up` only")
    asyncio.run(demo.seed(settings, more=1_000_000 if large or settings.large else tickets))


@app.command()
def check(*, strict: Annotated[bool, typer.Option("--strict", help="Also fail for what is weak.")] = False) -> None:
    """Tell whether the settings can be used, whether the database, Redis, mail and files answer, and what is weak."""
    from domain import opening
    from infra import checks, weaknesses

    settings = console.settings()
    results = asyncio.run(checks.check(settings))
    weak = weaknesses.of(settings)
    if all(result.good for result in results if result.name in {"database", "files"}):  # without which nothing opens
        weak += asyncio.run(opening.missing(settings))
    results += [checks.Result(name, good=True, weak=True, said=said) for name, said in weak]
    for result in results:
        typer.echo(f"{'BAD ' if not result.good else 'WEAK' if result.weak else 'ok  '}  {result.name}: {result.said}")
    for name, said in weaknesses.notes(settings):
        typer.echo(f"note  {name}: {said}")
    if not all(result.good for result in results) or (strict and any(result.weak for result in results)):
        raise typer.Exit(1)


@app.command()
def status() -> None:
    """Show how it is: what is outside, workers alive, queues, dead jobs, mail that is not sent, and mail that waits."""
    from rich.console import Console

    from infra import status as looked

    results = asyncio.run(looked.status(console.settings()))
    Console(soft_wrap=True).print(looked.table(results))
    if not all(result.good for result in results):
        raise typer.Exit(1)


@app.command()
def invite(email: str, role: Annotated[str, typer.Option(help="Such as ADMIN or AGENT.")]) -> None:
    """Invite somebody who works here; this makes the first admin of an installation."""
    from domain import people
    from domain.refusals import Refusal

    try:
        typer.echo(asyncio.run(people.invite(console.working(), email, role)))
    except Refusal as refused:
        console.refuse(refused.message)


@app.command()
def export(
    email: str,
    output: Annotated[Path, typer.Option(help="The file to write, a zip.", dir_okay=False)],
) -> None:
    """Write what the desk holds of a person to an archive: JSON, and their files."""
    from domain import exporting
    from domain.refusals import Refusal

    settings = console.working()
    try:
        with console.written(output):
            asyncio.run(exporting.export(settings, email, output, typer.echo))
    except Refusal as refused:
        console.refuse(refused.message)
    typer.echo(f"Written: {output.absolute()}")


@app.command()
def erase(email: str, *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Erase a person: what they wrote and what is written of them is blanked; histories and figures stay whole."""
    from domain import erasing
    from domain.refusals import Refusal

    def agreed(found: erasing.Found) -> bool:
        typer.echo(f"{found.name} <{email}>, {found.role}, tickets: {found.tickets:,}.")
        typer.echo("All that was said on these, their files, and what they wrote elsewhere is blanked for good.")
        return yes or typer.confirm("Erase them?")

    try:
        done = asyncio.run(erasing.erase(console.working(), email, agreed, typer.echo))
    except Refusal as refused:
        console.refuse(refused.message)
    if not done:
        console.refuse("Nothing was changed.")
    typer.echo("Erased. Workers erase the bytes of files within moments; backups hold all of it until they are gone.")


@app.command()
def waiting_mail(
    open_: Annotated[
        str | None, typer.Option("--open", metavar="ID|all", help="Make this one a ticket, or all that are listed.")
    ] = None,
    dismiss: Annotated[
        str | None, typer.Option(metavar="ID|all", help="Erase what this one says, or all that are listed, for good.")
    ] = None,
) -> None:
    """List the mail that came in, fits no ticket and waits, oldest first; make tickets of it, or dismiss it."""
    from domain.inbound import waiting
    from infra.desk import Desk

    if open_ is not None and dismiss is not None:
        console.refuse("--open and --dismiss: one at a time")
    settings = console.working()

    async def done() -> bool:
        async with Desk.open(settings) as desk:
            if open_ is not None:
                return await _decided(desk, open_, waiting.open_one, "is ticket #{}")
            if dismiss is not None:
                return await _decided(desk, dismiss, waiting.dismiss, "is dismissed")
            listed = await waiting.listed(desk)
            for mail in listed:
                received = mail.received_at.strftime("%Y-%m-%d %H:%M UTC")
                typer.echo(f"{mail.id}  {received}  {mail.sender or '(nobody)'}  {mail.subject}")
            if not listed:
                typer.echo(NO_MAIL, err=True)
            return True

    if not asyncio.run(done()):
        raise typer.Exit(1)


@app.command()
def rebuild_metrics() -> None:
    """Count all figures anew from the tickets' histories. The desk may go on meanwhile."""
    from domain.metrics import rebuilding
    from infra.progress import shown

    settings = console.working()
    with shown("histories") as told:
        done = asyncio.run(rebuilding.rebuild(settings.database_url, told))
    typer.echo(f"Counted anew: {done:,} tickets")


@app.command()
def rebuild_search() -> None:
    """Index all tickets and articles anew for searching. The desk may go on meanwhile."""
    from domain import reindexing
    from infra.progress import shown

    settings = console.working()
    with shown("tickets and articles") as told:
        done = asyncio.run(reindexing.reindex(settings, told))
    typer.echo(f"Indexed anew: {done:,} tickets and articles")


@app.command()
def report(
    path: Path,
    *,
    days: Annotated[int, typer.Option(help="How many days up to now.", min=1, max=730)] = 90,
) -> None:
    """Write a page with plots of how the desk does to a file."""
    from web import report as page

    shown = asyncio.run(page.written(console.working(), days))
    with console.written(path):
        path.write_text(shown)
    typer.echo(f"Written: {path.absolute()}")


@app.command(hidden=True)
def catch_mail() -> None:
    """Take mail at SMTP_PORT: keep it in DATA_DIR/mail, and hand in what answers a ticket."""
    from workers import receiving

    asyncio.run(receiving.catch(console.settings(), int(os.environ["SMTP_PORT"])))


@app.command(hidden=True)
def print_schema() -> None:
    """Print the API's schema."""
    from resolvers.root import printed

    typer.echo(printed())


@app.command(hidden=True)
def draft_migration(name: str) -> None:
    """Write a migration from the tables of the last one to those of the models."""
    from alembic import command

    with console.told(), _fresh_database():
        command.upgrade(_alembic(), "head")
        command.revision(_alembic(), message=name, autogenerate=True)


@app.command(hidden=True)
def check_migrations() -> None:
    """Fail when the migrations don't lead to the tables of the models."""
    from alembic import command
    from alembic.util import CommandError

    with console.told(), _fresh_database():
        command.upgrade(_alembic(), "head")
        try:
            command.check(_alembic())
        except CommandError as differs:
            console.refuse(str(differs))


async def _decided(desk: "Desk", which: str, do: "Callable[[Desk, UUID], Awaitable[object]]", said: str) -> bool:
    """Does this with the mail of this id, or with all that waits, and says so of each; whether that went well."""
    from domain.inbound import waiting
    from domain.refusals import Refusal

    try:
        ids = await waiting.ids(desk) if which == "all" else [UUID(which)]
    except ValueError:
        console.refuse(f"{which} is no id of a mail: `desk waiting-mail` lists them.")
    if not ids:
        typer.echo(NO_MAIL, err=True)
    good = True
    for mail_id in ids:
        try:
            typer.echo(f"{mail_id}  {said.format(await do(desk, mail_id))}")
        except Refusal as refused:
            good = False
            typer.echo(f"{mail_id}  {refused.message}", err=True)
    return good


def _alembic() -> "Config":
    from alembic.config import Config

    return Config(ROOT / "alembic.ini")


@contextmanager
def _fresh_database() -> Iterator[None]:
    with embedded.scratch() as folder, embedded.postgres(folder, durable=False) as url:
        os.environ |= {"DESKWIRE_EMBEDDED": "1", "DATABASE_URL": url}
        yield


if __name__ == "__main__":
    console.run(app)
