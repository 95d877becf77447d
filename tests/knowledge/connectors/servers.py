"""A web server for the connectors' tests, on a real socket: it answers what a test says and keeps what it was asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any

    @property
    def order(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """What to answer. `body` is sent as JSON, or as it is where it is bytes; `wait_s` before it, `drip_s` within."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    drip_s: float = 0.0
    hangs_up: bool = False


Answers = Callable[[Asked], Answer]


class FakeServer:
    """`asked` are the requests so far, in their order; `answers` may be replaced at any time."""

    def __init__(self, answers: Answers) -> None:
        self.answers, self.asked = answers, list[Asked]()
        self.url = ""

    def orders(self) -> list[str]:
        """Every request but the reads."""
        return [one.order for one in self.asked if one.method != "GET"]


@contextmanager
def serving(answers: Answers) -> Iterator[FakeServer]:
    """The server, until the end of the block."""
    fake = FakeServer(answers)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(content) if content else None
            asked = Asked(self.command, unquote(parts.path), parse_qsl(parts.query), dict(self.headers), body)
            fake.asked.append(asked)
            self._send(fake.answers(asked))

        def _send(self, told: Answer) -> None:
            time.sleep(told.wait_s)
            if told.hangs_up:
                self.close_connection = True
                return
            content = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **told.headers}
            self.send_response(told.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            step = 1 if told.drip_s else max(len(content), 1)
            try:
                for start in range(0, len(content), step):
                    self.wfile.write(content[start : start + step])
                    self.wfile.flush()
                    time.sleep(told.drip_s)
            except OSError:
                """The client has lost patience."""

        do_GET = do_POST = do_PATCH = answer  # noqa: N815  (the names that the library looks for)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    return Handler
