"""The other side of `Processes`: what runs in a worker process."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import cloudpickle

from mtnas.errors import PoolError
from mtnas.pools.crew import Ready
from mtnas.pools.pool import Finished, Make, attempt

START = "import sys; from mtnas.pools import process_worker; process_worker.serve(*map(int, sys.argv[1:]))"
"""What a worker process runs, with the number of its end of the connection and that of its parent."""

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's <sys/prctl.h>


def packed(make: Make) -> bytes:
    """A maker as bytes for processes of this machine, code of space files and notebooks included.

    Raises:
        PoolError: if something in it cannot be handed to another process.
    """
    own = [module for name, module in sys.modules.items() if name.startswith("mtnas_space_")]
    for module in own:  # other processes cannot import a space file by its name
        cloudpickle.register_pickle_by_value(module)
    try:
        # In two steps: what is to be made is only understood where the modules it comes from can be found.
        return pickle.dumps(
            {"path": [str(Path(place).absolute()) for place in sys.path], "make": cloudpickle.dumps(make)}
        )
    except Exception as error:
        raise PoolError(
            f"the space or its data cannot be handed to another process ({error}); keep open files, locks and"
            " generators out of them, or search in this process"
        ) from error
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


def serve(descriptor: int, parent: int) -> None:
    """Do jobs until the other side of a socket is gone.

    Args:
        descriptor: of this side.
        parent: number of the process of the other side.
    """
    connection = Connection(descriptor)
    _end_with_parent(parent)
    try:
        try:
            make = pickle.loads(connection.recv_bytes())
            sys.path[:] = make["path"]
            work = cloudpickle.loads(make["make"])()
        except Exception:
            connection.send(Ready(traceback.format_exc()))
            return
        connection.send(Ready())
        while True:
            finished = attempt(work, connection.recv())
            try:
                connection.send(finished)
            except (TypeError, AttributeError, pickle.PicklingError) as error:
                connection.send(Finished(finished.job, failure=f"its value cannot be sent back: {error}"))
    except (EOFError, OSError):
        return


def _end_with_parent(parent: int) -> None:
    """Have this process end with its parent, which cannot end its workers when it is killed."""
    if sys.platform == "linux":
        # By the kernel: a thread has to wait while modules are imported.
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    threading.Thread(target=_look_for_parent, args=(parent,), daemon=True).start()


def _look_for_parent(parent: int, every_s: float = 0.5) -> None:
    while os.getppid() == parent:
        time.sleep(every_s)
    os._exit(1)
