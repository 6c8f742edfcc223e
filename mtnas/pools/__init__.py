"""Where work is done: in this process, or in others. Nothing here knows what it is."""

from mtnas.pools.in_process import InProcess
from mtnas.pools.pool import Finished, Job, Make, Pool, Workers
from mtnas.pools.processes import Processes
from mtnas.pools.ray_pool import RayPool

__all__ = ["Finished", "InProcess", "Job", "Make", "Pool", "Processes", "RayPool", "Workers"]
