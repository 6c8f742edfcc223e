"""What the commands do. Only here, and only inside functions, torch and optuna are imported."""

from mtnas.cli.steps.advice import advice_step
from mtnas.cli.steps.files import DPI, fronts_step, new_file, plot_step, show_files_step
from mtnas.cli.steps.shipping import export_step, foresee_step, measure_step
from mtnas.cli.steps.work import Work, existing_run, pool

__all__ = [
    "DPI",
    "Work",
    "advice_step",
    "existing_run",
    "export_step",
    "foresee_step",
    "fronts_step",
    "measure_step",
    "new_file",
    "plot_step",
    "pool",
    "show_files_step",
]
