"""`python -m tui`: the terminal interface on a server, or with the service in this very process."""

import asyncio
import logging
import sys
from pathlib import Path

import click
from litestar import Litestar

from assistant.app import create_app
from assistant.settings import Settings, SettingsError, load
from tui.app import HawkEyeApp
from tui.client import Client, ClientError

LOG_FILE = "tui.log"


@click.command()
@click.option("--url", help="the server, for example http://127.0.0.1:8765; without it, the service runs in here")
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
@click.option("--investigation", help="its id; the newest one, if not given")
def main(url: str | None, data: Path | None, investigation: str | None) -> None:
    """Walk an investigation in the terminal, with the keyboard."""
    if url is not None and data is not None:
        raise click.UsageError("--data belongs to the service in this process, and --url to another one: give only one")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("this needs a terminal; without one, `hawkeye investigate` prints the walk as text")
    try:
        sys.exit(asyncio.run(_over_network(url, investigation) if url else _in_process(data, investigation)))
    except ClientError as error:
        raise click.ClickException(str(error)) from None


async def _over_network(url: str, investigation: str | None) -> int:
    try:
        client = Client.over_network(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
    async with client:
        return await _walk(client, investigation)


async def _in_process(data: Path | None, investigation: str | None) -> int:
    """The lifespan is entered here, because an ASGI client does not do it."""
    try:
        settings = load(data_dir=data)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    app = _compose(settings)
    # What the service logs goes to a file: on the terminal it would run through the picture.
    logging.basicConfig(filename=settings.data_dir / LOG_FILE, level=logging.WARNING, force=True)
    async with app.lifespan(), Client.in_process(app) as client:
        return await _walk(client, investigation)


def _compose(settings: Settings) -> Litestar:
    try:
        return create_app(settings)
    except Exception as error:  # whatever keeps the service from starting is for the user to read
        raise click.ClickException(f"the service cannot start over {settings.data_dir}: {error}") from error


async def _walk(client: Client, investigation: str | None) -> int:
    """The exit code of the interface."""
    app = HawkEyeApp(client, investigation or await _newest(client))
    await app.run_async()
    return app.return_code or 0


async def _newest(client: Client) -> str:
    page = await client.investigations(limit=1)
    if not page.investigations:
        raise click.ClickException(
            f"there is no investigation in {client.where} yet; open one with `hawkeye investigate --alert FILE`"
        )
    return page.investigations[0].id


if __name__ == "__main__":
    main()
