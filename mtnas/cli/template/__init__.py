"""The space file to start from, as a user gets it, and how it is written."""

from mtnas.cli.template.write import write_template

__all__ = ["write_template"]
