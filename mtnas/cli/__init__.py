"""The ``mtnas`` command."""

from mtnas.cli.app import app, main

__all__ = ["app", "main"]
