"""Runs in experiment trackers."""

from mtnas.tracking.mlflow_runs import LOCAL, log_to_mlflow, shown_uri

__all__ = ["LOCAL", "log_to_mlflow", "shown_uri"]
