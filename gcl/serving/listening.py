"""Where a server listens: `listener(host, port)` opens the address, `run(app, listener, seconds)` serves until a signal.

Only this machine is let in by default. An address that others reach needs a key, or the word that none is wanted.
"""

import errno
import ipaddress
import signal
import socket
from typing import Any

import uvicorn

from gcl.errors import ConfigError

_WAITING = 128  # connections that the system keeps until they are accepted


def check_address(host: str, key: str | None, *, open_to_all: bool) -> bool:
    """Whether others can reach an address.

    Raises:
        ConfigError: if they can and nobody has decided about a key.
    """
    _, address = _resolved(host, 0)
    if ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
        return False
    if key is None and not open_to_all:
        raise ConfigError(
            f"--host {host}: other machines reach it; give --api-key, or --open if anyone there may ask the model"
        )
    return True


def listener(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: if the address is not of this machine, or taken.
    """
    family, address = _resolved(host, port)
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(address)
        opened.listen(_WAITING)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"--port {port}: another program listens there; end it, or choose another port") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"--host {host}: no address of this machine; use one, such as 127.0.0.1") from None
        raise ConfigError(f"--host {host} --port {port}: {error.strerror}; choose another address") from None
    return opened


def url(opened: socket.socket) -> str:
    """The address of a listening socket as clients write it."""
    host, port = opened.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def server(app: Any, seconds: float) -> uvicorn.Server:
    """uvicorn around an application. At its end, requests under way get their time and a little more."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, ws="none", http="h11", loop="asyncio",
        timeout_graceful_shutdown=int(seconds) + 5,
    )  # fmt: skip
    return uvicorn.Server(config)


def run(app: Any, opened: socket.socket, seconds: float) -> None:
    """Serve until SIGTERM or SIGINT; return when requests under way are answered.

    Args:
        app: ASGI application.
        opened: from `listener`.
        seconds: of the longest request.
    """
    serving = server(app, seconds)

    def end(*_: Any) -> None:
        serving.should_exit = True

    # uvicorn puts its own in their place, and raises the signal again at its end. That shall not be an error here.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    serving.run(sockets=[opened])


def _resolved(host: str, port: int) -> tuple[int, Any]:
    """Family and address of a host's name."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"--host {host}: {error.strerror}; use an address of this machine, such as 127.0.0.1"
        ) from None
    family, _, _, _, address = found[0]
    return family, address
