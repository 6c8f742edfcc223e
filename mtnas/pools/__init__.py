"""Where work is done: in this process, or in others. Nothing here knows what it is."""

from mtnas.pools.in_process import InProcess
from mtnas.pools.pool import Finished, Job, Make, Pool, Workers
from mtnas.pools.processes import Processes
from mtnas.pools.ray_pool import RayPool
from mtnas.pools.ray_together import run_together
from mtnas.pools.ray_trials import Halving, run_trials
from mtnas.pools.trainings import FolderStore, Report, Store, Training, Watch, train_in

__all__ = [
    "Finished",
    "FolderStore",
    "Halving",
    "InProcess",
    "Job",
    "Make",
    "Pool",
    "Processes",
    "RayPool",
    "Report",
    "Store",
    "Training",
    "Watch",
    "Workers",
    "run_together",
    "run_trials",
    "train_in",
]
