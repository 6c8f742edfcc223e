"""A run as one page to look at."""

from mtnas.reporting.report import write_report

__all__ = ["write_report"]
