"""`--host` and `--port`: where this run listens. They stand for JETBRIDGE_HOST and JETBRIDGE_PORT, which children inherit."""

import os
from collections.abc import Callable
from typing import Any

import click


def listen_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a command that calls `config.load()`; it gets no parameters for them."""
    host = click.option(
        "--host", callback=_set, expose_value=False, help="Interface to listen on [env JETBRIDGE_HOST]"
    )
    port = click.option(
        "--port",
        type=click.IntRange(1, 65535),
        callback=_set,
        expose_value=False,
        help="Port to listen on [env JETBRIDGE_PORT]",
    )
    return host(port(command))


def _set(_: click.Context, option: click.Parameter, value: object) -> None:
    if value is not None:
        os.environ[f"JETBRIDGE_{option.name}".upper()] = str(value)
