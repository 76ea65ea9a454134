"""Options that several commands have."""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from signalbox.routing.addresses import AddressError, read_address
from signalbox.routing.config import Address
from signalbox.signals.page.hosts import HOSTS

LEASE = "signalbox-operator"
"""Whose holder leads."""
PAGE_PORT = 8090
"""Of the live page, on a loopback address."""

filename_option = click.option(
    "-f", "--filename", "path", type=click.Path(path_type=Path), required=True, help="Directory of YAML, or one file."
)
output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="For machines: json."
)


def tell(what: str) -> None:
    """What takes longer than a moment."""
    click.echo(what, err=True)


def namespace_option(help_text: str) -> Callable[[Any], Any]:
    """``--namespace`` of the files."""
    return click.option("-n", "--namespace", help=f"{help_text} Default: the only one in the files.")


def policies_option(help_text: str) -> Callable[[Any], Any]:
    """``--policy``, as ``policies``."""
    return click.option("--policy", "policies", multiple=True, metavar="NAME", help=help_text)


def listens(_: click.Context, __: click.Parameter, value: str) -> Address:
    """HOST:PORT, where port 0 takes any free one."""
    try:
        return read_address(value, least_port=0)
    except AddressError as error:
        raise click.BadParameter(str(error)) from None


def serves(context: click.Context, parameter: click.Parameter, value: str | None) -> Address | None:
    """HOST:PORT, or None where nothing was said."""
    return None if value is None else listens(context, parameter, value)


def page_at(_: click.Context, __: click.Parameter, value: str | None) -> Address | Literal["none"] | None:
    """HOST:PORT of this machine alone, "none", or None where nothing was said."""
    if value is None:
        return None
    if value == "none":
        return "none"
    address = listens(_, __, value)
    if address.host not in HOSTS:
        raise click.BadParameter(f"{address.host}: the page is for this machine only, write 127.0.0.1:{address.port}")
    return address


def page_option(help_text: str) -> Callable[[Any], Any]:
    """``--page``, to be read as what ``page_at`` gives."""
    return click.option("--page", "page", metavar="HOST:PORT", callback=page_at, help=help_text)


def cidrs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Networks."""
    try:
        return tuple(str(ipaddress.ip_network(value)) for value in values)
    except ValueError as error:
        raise click.BadParameter(f"{error}: write a network such as 10.0.0.0/8") from None


def allow_cidr_option(help_text: str) -> Callable[[Any], Any]:
    """``--allow-cidr``, as ``allow_cidrs``."""
    return click.option("--allow-cidr", "allow_cidrs", multiple=True, metavar="NETWORK", callback=cidrs, help=help_text)


def access_log_option(command: Any) -> Any:
    """``--access-log``, to be read by ``log_target``."""
    return click.option(
        "--access-log",
        default="-",
        show_default=True,
        metavar="FILE",
        help='A file, "-" for standard output, or "none".',
    )(command)


def log_target(text: str) -> int | str | None:
    """A descriptor for "-", nothing for "none", else a path."""
    if text == "-":
        return 1
    return None if text == "none" else text
