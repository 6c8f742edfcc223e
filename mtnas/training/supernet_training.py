"""Train a supernetwork once."""

from __future__ import annotations

from mtnas.errors import RunError
from mtnas.pools import Pool
from mtnas.progress import progress
from mtnas.runs import Run, load_checkpoint
from mtnas.seeds import derive_seed
from mtnas.space.check import check, check_judged
from mtnas.space.data import Data
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.threads import cpu_threads
from mtnas.supernet import SuperNetwork
from mtnas.training.compiling import compiled
from mtnas.training.devices import check_machine, resolve_device
from mtnas.training.scalars import scalars
from mtnas.training.settings import TrainingSettings
from mtnas.training.stored import epoch_of, load_weights
from mtnas.training.together import Together, train_together
from mtnas.training.trainer import Trainer, begun


def train(
    space: SearchSpace,
    data: Data,
    run: Run,
    settings: TrainingSettings | None = None,
    *,
    supernetwork: type[SuperNetwork] = SuperNetwork,
    pool: Pool | None = None,
    show_progress: bool = True,
) -> SuperNetwork:
    """Train the supernetwork of a space, or go on where an interrupted training stopped.

    Every epoch ends with a checkpoint. Called again on a finished run, it loads the result and trains nothing.

    Args:
        space: the search space.
        data: the data; its train and branch splits are used.
        run: where to keep everything.
        settings: None: `TrainingSettings()`.
        supernetwork: class of the supernetwork, for those who want to change it.
        pool: whose workers train together, each on its part of every batch: the steps are those of one process, but
            for batch norms, which see a worker's part, and last digits. A run may go on with another number of them.
            None: this process alone.
        show_progress: False: nothing is printed.

    Returns:
        The trained supernetwork, in evaluation mode; with ``settings.ema_decay``, its weights are the averages.

    Raises:
        SpaceError, DataError: before training, if something does not fit.
        RunError: if the run belongs to another space, data, seed or settings, or another process works on it.
        TrainingError: before training, if the machine lacks what the settings ask for; if a loss is not finite, where
            the checkpoint of the last good epoch stays.
        PoolError: if there is no such pool, or it is lost: the same call goes on after the last epoch.
    """
    settings = settings or TrainingSettings()
    device = check_machine(settings)
    found = claim_run(space, data, run, settings)
    with run.hold(), cpu_threads(settings.threads):
        supernet = begun(supernetwork, space, found, derive_seed(run.seed, "weights"), settings).to(device)
        trainer = Trainer(supernet, space, data, run.seed, settings, device, run.checkpoint)
        trainer.resume()
        if pool is not None and trainer.epoch < settings.epochs:
            work = Together(space, data, run.seed, settings, supernetwork)
            with progress("training", settings.epochs, trainer.epoch, show=show_progress) as advance:
                train_together(pool, work, run.checkpoint, trainer.epoch, advance)
            trainer.resume()
        folder, learned = run.path / "tensorboard", lambda: trainer.branching
        with scalars(folder, space.architectures, trainer.history, learned, settings.tensorboard) as write:
            if trainer.epoch < settings.epochs:
                with (
                    progress("training", settings.epochs, trainer.epoch, show=show_progress) as advance,
                    compiled(supernet, settings.compile),
                ):
                    while trainer.epoch < settings.epochs:
                        text = trainer.train_epoch()
                        write(trainer.history[-1])
                        advance(text, trainer.losses)
    if trainer.averages is not None:
        trainer.averages.swap()
    return supernet.eval()


def claim_run(space: SearchSpace, data: Data, run: Run, settings: TrainingSettings) -> DryRun:
    """Check space and data, and make the run theirs, or see that it already is.

    Raises:
        SpaceError, DataError: if something does not fit.
        RunError: if the run belongs to another space, data or settings.
    """
    found = check(space, data)
    check_judged(space, data)
    with run.hold():
        run.manifest.claim("space", space.describe(found))
        run.manifest.claim("data", data.fingerprint)
        run.manifest.claim("training", settings.to_json())
    return found


def load_supernetwork(space: SearchSpace, data: Data, run: Run, device: str = "auto") -> SuperNetwork:
    """The trained supernetwork of a run, in evaluation mode.

    Raises:
        RunError: if the run belongs to another space or data, or its training has not finished.
    """
    found = check(space, data)
    run.manifest.section("training")
    run.manifest.claim("space", space.describe(found))
    run.manifest.claim("data", data.fingerprint)
    epochs = run.manifest.section("training").get("epochs")
    tensors, note = load_checkpoint(run.checkpoint)
    trained = epoch_of(note, run.checkpoint)
    if trained != epochs:
        raise RunError(f"the run {run.path} has trained {trained} of {epochs} epochs; finish the training first")
    supernet = SuperNetwork(space, found, derive_seed(run.seed, "weights"))
    load_weights(supernet, tensors, run.checkpoint, averaged=True)
    return supernet.to(resolve_device(device)).eval()
