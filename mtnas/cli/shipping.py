"""Commands that take chosen candidates further: trained on their own, measured on a device, written as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtnas.cli import options
from mtnas.cli.output import print_json, remark, remark_written, volume, working
from mtnas.cli.panel import DATA, Panel
from mtnas.errors import RunError

panel = Panel("Take further")


@panel.command("mtnas refine runs/digits --top 2 --from-scratch", DATA)
def refine(
    run: options.RunArgument,
    candidate: options.CandidatesOption = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Front members to take, spread over the mean error. Default: 3.")
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(help="Train the largest hard-sharing and single-task networks the same way, to compare with."),
    ] = True,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Start from new weights.")] = False,
    epochs: options.EpochsOption = None,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
    workers: options.TrainersOption = 0,
    ray_address: options.RayOption = None,
    worker_cpus: options.CpusOption = 1.0,
    worker_gpus: options.GpusOption = 0.0,
    halving: options.HalvingOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Train chosen candidates on their own, then measure them once on the test split. Goes on where it stopped."""
    from mtnas.cli import steps, tables
    from mtnas.cli.choosing import members
    from mtnas.pools import Halving
    from mtnas.refining import left_behind
    from mtnas.refining import refine as refine_candidates
    from mtnas.runs import read_results

    with working(as_json):
        results = read_results(steps.existing_run(run))
        chosen = [results.find(text) for text in candidate or ()]
        if top is not None or not chosen:
            chosen += members(results, top or 3)
        if baselines:
            chosen += [row for split in (False, True) if (row := results.largest_corner_row(split=split))]
        work = steps.Work.existing(run, space, data_dir)
        rows = refine_candidates(
            work.file.space,
            work.data,
            work.run,
            list(dict.fromkeys(row.candidate for row in chosen)),
            work.refining(epochs, device, from_scratch=from_scratch),
            pool=steps.pool(workers, ray_address, worker_cpus, worker_gpus),
            halving=None if halving is None else Halving(halving),
            show_progress=not volume.quiet,
        )
    behind = left_behind(work.run)
    told = tables.refined_json(rows, results, behind)
    if as_json:
        print_json(told)
    else:
        tables.print_refined(told)
    if behind:
        remark(f"left behind: {', '.join(behind)}; without --halving the same command takes them to their end", as_json)
    remark_written([work.run.path / "refined.csv"], as_json)


@panel.command("mtnas compare runs/digits --candidate 4ecb3c3a47 --seeds 3", DATA)
def compare(
    run: options.RunArgument,
    candidate: options.CandidateOption,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each network.")] = 3,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=1, help="Share of params by which a baseline may be larger.")
    ] = 0.02,
    epochs: options.EpochsOption = None,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Train a candidate and plain networks of equal params from scratch, several times. Goes on where it stopped."""
    from mtnas.cli import steps, tables
    from mtnas.refining import compare as compare_with_baselines
    from mtnas.runs import read_results

    with working(as_json):
        row = read_results(steps.existing_run(run)).find(candidate)
        work = steps.Work.existing(run, space, data_dir)
        comparison = compare_with_baselines(
            work.file.widening(),
            work.data,
            work.run,
            row.candidate,
            work.refining(epochs, device),
            seeds,
            tolerance=tolerance,
            show_progress=not volume.quiet,
        )
    told = tables.comparison_json(comparison)
    if as_json:
        print_json(told)
    else:
        tables.print_comparison(told)
    remark_written([work.run.path / "compared" / row.id / "compared.csv"], as_json)


@panel.command("mtnas measure runs/digits --int8", DATA)
def measure(
    run: options.RunArgument,
    candidate: options.CandidatesOption = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Front members to take, spread over the mean error.")] = 8,
    int8: Annotated[bool, typer.Option("--int8", help="Each of them with all nodes in 8-bit integers, too.")] = False,
    weight_bits: options.WeightBitsOption = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads of the runtime.")] = 1,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples that are run at once.")] = 1,
    eager: Annotated[bool, typer.Option("--torch", help="Measure in torch instead; float only.")] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds",
            min=4,
            help="Turns of everything; up to eight times as many while the machine is disturbed. Default: 30, with"
            " --foresee 12.",
        ),
    ] = None,
    foresee: Annotated[
        int | None,
        typer.Option(
            "--foresee",
            min=20,
            metavar="N",
            help="Instead: measure N networks that tell the most about all others (100 are enough as a rule), and"
            " foresee the latency of every row from them.",
        ),
    ] = None,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Measure the latency of candidates where they would run, interleaved, with the noise of the machine."""
    from mtnas.cli import steps, tables
    from mtnas.cli.choosing import members
    from mtnas.runs import read_results
    from mtnas.targets import OnnxRuntime, TorchEager

    with working(as_json):
        if foresee is not None and (candidate or int8 or weight_bits is not None):
            raise RunError("--foresee tells of every row as it is; leave out --candidate, --int8 and --weight-bits")
        results = read_results(steps.existing_run(run))
        rows = [results.find(one) for one in candidate or ()]
        if foresee is None:
            rows = rows or members(results, top)
        target = TorchEager(threads=threads, batch=batch) if eager else OnnxRuntime(threads=threads, batch=batch)
        work = steps.Work.existing(run, space, data_dir)
        if foresee is None:
            found = steps.measure_step(work, rows, target, int8=int8, weight_bits=weight_bits, rounds=rounds or 30)
        else:
            foreseen = steps.foresee_step(work, target, foresee, rounds)
    if foresee is not None:
        print_json(foreseen.to_json()) if as_json else tables.print_foreseen(foreseen, top)
        remark_written([work.run.path / name for name in ("foreseen.csv", "probes.json")], as_json)
        return
    told = tables.latencies_json(found, target.describe())
    if as_json:
        print_json(told)
    else:
        tables.print_latencies(told)
    remark_written([work.run.path / "latencies.json"], as_json)


@panel.command("mtnas extract runs/digits --candidate 4ecb3c3a47 --out chosen/", DATA)
def extract(
    run: options.RunArgument,
    candidate: options.CandidateOption,
    out: Annotated[Path, typer.Option("--out", help="Folder to write network.safetensors and network.json to.")],
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
) -> None:
    """Cut one candidate out of the supernetwork, with batch-norm statistics of its own, and save it."""
    from mtnas.cli import steps
    from mtnas.evaluation import extract as cut_out
    from mtnas.exporting import save_network
    from mtnas.runs import read_results
    from mtnas.searching import SearchSettings
    from mtnas.training import load_supernetwork

    row = read_results(steps.existing_run(run)).find(candidate)
    work = steps.Work.existing(run, space, data_dir)
    names = list(work.file.space.architectures.tasks)
    device = device or work.file.setting("searching", SearchSettings()).device
    supernet = load_supernetwork(work.file.space, work.data, work.run, device)
    network = cut_out(supernet, row.candidate.architecture, work.data)
    save_network(out, network, row.candidate, {"tasks": names, "costs": dict(row.costs)})
    remark_written([out / "network.safetensors", out / "network.json"])


@panel.command("mtnas export runs/digits --candidate 4ecb3c3a47 --out shipped/", DATA)
def export(
    run: options.RunArgument,
    candidate: options.CandidateOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for model.onnx, model.json, README.md and tree.png.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Run all nodes of the tree in 8-bit integers, whatever the candidate says.")
    ] = False,
    weight_bits: options.WeightBitsOption = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="inherited|fine-tuned|from-scratch",
            help="Which weights. Default: refined ones with the lowest mean validation error, else inherited ones.",
        ),
    ] = None,
    latency: Annotated[
        bool, typer.Option(help="Measure its latency here: onnxruntime, one thread, one sample.")
    ] = True,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    as_json: options.JsonOption = False,
) -> None:
    r"""Write one candidate as an ONNX file that was checked against torch, with a model card. Needs mtnas\[onnx]."""
    from mtnas.cli import steps, tables
    from mtnas.runs import read_results

    with working(as_json):
        results = read_results(steps.existing_run(run))
        work = steps.Work.existing(run, space, data_dir)
        row = results.find(candidate)
        bundle = steps.export_step(
            work, results, row, out, int8=int8, weight_bits=weight_bits, weights=weights, latency=latency
        )
    if as_json:
        print_json(tables.bundle_json(bundle))
    else:
        tables.print_bundle(bundle)
