"""Who may send: a guard of the routes that other systems send telemetry to."""

import hmac
import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from pydantic import SecretStr

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def keyed(keys: Sequence[SecretStr]) -> Guard:
    """A guard that lets in who sends one of the keys as `Authorization: Bearer KEY`.

    Without keys it lets in whoever sends from this machine. It decides before the body is read.
    """
    known = [key.get_secret_value().encode() for key in keys]

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if not known:
            if not _is_from_here(connection):
                raise _refused("no api_keys are set, so only this machine may send; set api_keys and send one of them")
            return
        scheme, _blank, sent = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not sent.strip():
            raise _refused("this route needs a key; send `Authorization: Bearer KEY` with one of api_keys")
        # All keys are compared, and each in constant time, so that the time of an answer says nothing about them.
        matches = [hmac.compare_digest(sent.strip().encode(), key) for key in known]
        if not any(matches):
            raise _refused("the key is not one of api_keys")

    return guard


def _refused(detail: str) -> NotAuthorizedException:
    return NotAuthorizedException(detail, headers=_CHALLENGE)


def _is_from_here(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """A connection without an address came through a socket of this machine."""
    if connection.client is None:
        return True
    try:
        address = ipaddress.ip_address(connection.client.host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
