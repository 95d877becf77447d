"""`hawkeye serve`: the API on a port."""

import socket
from pathlib import Path

import click
import uvicorn

from assistant.app import create_app
from assistant.cli.failures import Failure
from assistant.cli.logs import FILE, logged_to
from assistant.settings import load


@click.command()
@click.option("--host", help="the address to listen on, instead of the configured one")
@click.option("--port", type=int, help="the port; 0 takes a free one")
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
def serve(host: str | None, port: int | None, data: Path | None) -> None:
    """Serve the API, and walk investigations as alerts come in."""
    settings = load(host=host, port=port, data_dir=data)
    app = create_app(settings)
    listening = listen(settings.host, settings.port)
    address, bound = listening.getsockname()[:2]
    click.echo(f"HawkEye listens on http://{address}:{bound} over {settings.data_dir}; its schema is at /schema")
    click.echo(f"what goes wrong is logged in {settings.data_dir / FILE}")
    # A long poll may hold a connection for 30 s; a second is enough for everything else to end in order.
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
    with logged_to(settings.data_dir):
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. It is bound here and not by uvicorn, so that a taken port is a message and port 0 gets a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only on sockets that say that they are TCP; others wait 40 ms for an ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # from here on a client waits for the service, and is not refused
    except OSError as error:
        listening.close()
        raise Failure(
            f"cannot listen on {host}:{port}: {error.strerror}. "
            "Choose another with --host and --port, or HAWKEYE_HOST and HAWKEYE_PORT"
        ) from None
    return listening
