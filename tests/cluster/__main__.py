"""What the Makefile asks for: ``python -m cluster --help``."""

import os
import sys

import click

from cluster import programs
from cluster.errors import ClusterError


def say(text: str) -> None:
    click.echo(text, err=True)


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
def build() -> None:
    """Build the control plane, unless it is cached or another one is to be used."""
    if not os.environ.get("KUBECONFIG"):
        programs.find(say)


if __name__ == "__main__":
    try:
        main()
    except ClusterError as error:
        sys.exit(f"error: {error}")
