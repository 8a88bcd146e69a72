"""`camkit localize --engine ray`: decoding on a cluster's CPUs, networks in actors, rows in a folder of Parquet files.

A row of the Ray data set is a batch of images, one that a run in one process makes: however Ray cuts and moves its
blocks, each image has the company in a forward pass that it has there, and its row the same figures.
"""

import logging
import os
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camkit.batch import RESULTS, Columns, DecodeBatch, LocalizeBatch, as_column
from camkit.data import MAX_PIXELS, Fit, ImageFile, ImageList
from camkit.data.names import written_path
from camkit.errors import CamkitError
from camkit.inference import Precision
from camkit.metrics.threshold_splits import FIXED
from camkit.output.changes import refuse
from camkit.output.parquet_folder import ParquetFolder
from camkit.progress import progress_bar
from camkit.recipe import Recipe
from camkit.runs.closing import Report, failure_lines, outcome_facts
from camkit.runs.facts import name_lines, source_lines, versions
from camkit.runs.localize import settings_of
from camkit.runs.photographs import photographs_in

BLOCK = 64  # batches of images in one task, at most: so much is made anew when a worker dies
# Without GPUs, the share of a CPU that a decoding task asks for and an actor leaves free: when a machine is lost, its
# actors may fill the others, and a task that wanted a whole CPU would wait for ever.
BESIDE = 0.001
OF_DECODING = 256 << 20  # bytes of memory: a task that asks for what actors do not is not made a part of them


def run_localize_on_ray(
    model: str,
    weights: str = "DEFAULT",
    recipe: Recipe | None = None,
    *,
    images: list[str],
    out: Path,
    chosen_on: str = FIXED,
    topk: int = 1,
    fit: Fit | None = None,
    batch_size: int = 16,
    device: str = "auto",
    precision: Precision = "fp32",
    max_pixels: int = MAX_PIXELS,
    resume: bool = False,
    overwrite: bool = False,
    address: str | None = None,
    actors: int | None = None,
    save_every: float = 60.0,
    show_progress: bool = False,
) -> Report:
    """``camkit localize --engine ray``; its ``--help`` says what each setting means.

    Raises
    ------
    CamkitError
        If the call cannot be carried out, or the cluster cannot.
    """
    start = time.perf_counter()
    files, notes = photographs_in(images, out)
    made_with: dict[str, Any] = {
        "model": model, "weights": weights, "recipe": recipe or Recipe(), "topk": topk, "fit": fit,
        "batch_size": batch_size, "precision": precision, "max_pixels": max_pixels,
    }  # fmt: skip
    localize = LocalizeBatch(**made_with, device="cpu")
    localizer = localize.localizer
    settings = settings_of(localizer) | {"threshold_split": chosen_on}
    with ParquetFolder(out, settings, resume=resume, overwrite=overwrite, seconds=save_every) as folder:
        before = len(folder.finished)
        to_do = unfinished(files, folder, batch_size)
        bar = progress_bar(what="localize", total=len(files), done=before, shown=show_progress)
        try:
            if before < len(files):
                with cluster(address, actors, device) as workers, bar:
                    for table in rows_of(workers, to_do, localize.decode, made_with, len(files) // batch_size):
                        bar.update(folder.add(table))
        except KeyboardInterrupt as stop:
            folder.save()
            stop.args = (folder.kept(len(files)),)
            raise
        folder.save()
        if len(folder.finished) < len(files):
            raise CamkitError(f"Ray has lost images: {folder.kept(len(files))}")
        facts = {"images": len(files), "resumed": before, "failed": folder.failed,
                 "seconds": round(time.perf_counter() - start, 3), "versions": versions()}  # fmt: skip
        folder.finish(facts)
    notes += source_lines(localizer.inference) + name_lines(localizer.inference.classifier)
    return report_of(folder, facts, notes)


def report_of(folder: ParquetFolder, facts: dict[str, Any], notes: list[str]) -> Report:
    """What is said of a run at its end."""
    empty = f" ({folder.empty} of them empty: no region above the threshold)" if folder.empty else ""
    images, before, seconds = facts["images"], facts["resumed"], facts["seconds"]
    resumed = f", {before} from the run before" if before else ""
    lines = [
        *notes,
        f"{images} images{resumed}: {folder.rows} boxes{empty}, {folder.failed} failed",
        f"{seconds:.1f} s, {(images - before) / seconds:.1f} images/s",
        f"look at {folder.path}/, a folder of Parquet files",
    ]
    told = outcome_facts(folder.path, facts) | {"resumed": before, "boxes": folder.rows, "empty": folder.empty}
    failures = failure_lines(folder.failures, folder.path, failed=folder.failed, listed="the rows with an error")
    return Report(lines, folder.failed, failures, told)


def unfinished(files: ImageList, folder: ParquetFolder, size: int) -> Iterator[list[ImageFile]]:
    """The batches of a run left alone that have an image without rows.

    Raises
    ------
    CamkitError
        An image has rows, and is no longer among the files.
    """
    if done := len(folder.finished):
        gone = done - sum(folder.finished.get(written_path(file.name)) is not None for file in files)
        if gone:
            refuse(folder.path, f"of its {done} finished images {gone} are no longer among --images")
    return (batch for batch in files.batches(size)
            if any(folder.finished.get(written_path(file.name)) is None for file in batch))  # fmt: skip


@dataclass(frozen=True)
class Workers:
    """What a cluster has for a run.

    Attributes
    ----------
    actors : int
        Networks at once, each with a CPU, or with that and a GPU.
    gpus : int
        Of each.
    cpus : int
        Of the whole cluster.
    """

    actors: int
    gpus: int
    cpus: int


@contextmanager
def cluster(address: str | None, actors: int | None, device: str) -> Iterator[Workers]:
    """The Ray cluster at an address, or that this process is connected to, or one of its own that ends with the block.

    Raises
    ------
    CamkitError
        There is none at the address, or it has not enough for so many actors.
    """
    import ray  # noqa: PLC0415 - an extra

    if ray.is_initialized():  # the caller's, who also ends it
        yield workers_of(ray.cluster_resources(), actors, device)
        return
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"} | os.environ
        cores = max(os.cpu_count() or 1, (actors or 1) + 1)  # one of them decodes
        settings |= {"address": "local", "include_dashboard": False, "num_cpus": cores}
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**({"address": address} | settings))
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGTERM, on_term)  # Ray's would end this process in the middle of a file
    except Exception as error:  # Ray raises Exception itself where its processes are slow to start
        reason = " ".join(str(error).split())
        what = "Ray does not start on this machine" if address is None else f"--address {address}: no Ray answers there"
        raise CamkitError(f"{what} ({reason:.200}); give the same call again, or an --address where ray start has "
                          "begun a cluster; one that asks for a token wants RAY_AUTH_MODE=token in the environment, "
                          "and the token in ~/.ray/auth_token") from None  # fmt: skip
    try:
        yield workers_of(ray.cluster_resources(), actors, device)
    finally:
        ray.shutdown()


def workers_of(resources: dict[str, float], actors: int | None, device: str) -> Workers:
    """How a cluster's CPUs and GPUs are shared out; `CamkitError` where they are too few."""
    cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    with_gpu = device == "cuda" or (device == "auto" and gpus > 0)
    most = min(gpus, cpus - 1) if with_gpu else cpus - 1
    wanted = actors or (most if with_gpu else max(1, most - cpus // 8))
    if not 1 <= wanted <= most:
        kind = f"{gpus} GPUs and {cpus} CPUs" if with_gpu else f"{cpus} CPUs"
        raise CamkitError(f"--actors {wanted}: the cluster has {kind}, enough for {max(most, 0)} networks and a CPU "
                          "that decodes; give fewer, or a larger cluster")  # fmt: skip
    return Workers(wanted, int(with_gpu), cpus)


def rows_of(
    workers: Workers, batches: Iterator[list[ImageFile]], decode: DecodeBatch, made_with: dict[str, Any], count: int
) -> Iterator[Any]:
    """Tables of rows, in the order of the images.

    Parameters
    ----------
    workers : Workers
    batches : iterator of list of ImageFile
    decode : DecodeBatch
    made_with : dict
        A `LocalizeBatch`'s arguments but for the device.
    count : int
        About how many batches there are.

    Raises
    ------
    CamkitError
        A batch cannot be carried out by any worker.
    """
    import ray  # noqa: PLC0415
    from ray.data import ActorPoolStrategy, DataContext, TaskPoolStrategy  # noqa: PLC0415
    from ray.exceptions import RayError  # noqa: PLC0415

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what goes wrong is told by the run itself
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    blocks = [ray.put(block) for block in in_blocks(batches, max(1, min(BLOCK, count // (8 * workers.cpus))))]
    if not blocks:
        return
    place, beside = os.getcwd(), 0 if workers.gpus else BESIDE
    most = workers.cpus - workers.actors if beside else None
    images = ray.data.from_arrow_refs(blocks)
    fitted = images.map_batches(decoded, batch_size=1, batch_format="pyarrow", zero_copy_batch=True,
                                num_cpus=beside or 1, compute=TaskPoolStrategy(size=most), memory=OF_DECODING,
                                fn_kwargs={"decode": decode, "place": place})  # fmt: skip
    device = "cuda" if workers.gpus else "cpu"
    found = fitted.map_batches(
        Localize,
        batch_size=1,
        batch_format="pyarrow",
        zero_copy_batch=True,
        fn_constructor_kwargs={"place": place, "made_with": made_with | {"device": device}},
        compute=ActorPoolStrategy(size=workers.actors),
        num_cpus=1 - beside,
        num_gpus=workers.gpus or None,
    )
    try:
        yield from found.iter_batches(batch_size=None, batch_format="pyarrow")
    except RayError as error:
        raise CamkitError(reason_of(error)) from error


def in_blocks(batches: Iterator[list[ImageFile]], size: int) -> Iterator[Any]:
    """Tables of so many batches each, a row a batch."""
    block: list[list[ImageFile]] = []
    for batch in batches:
        block.append(batch)
        if len(block) == size:
            yield pickled(block)
            block = []
    if block:
        yield pickled(block)


def decoded(rows: Any, decode: DecodeBatch, place: str) -> Any:
    """The stage on CPUs: batches of image files to batches as the network takes them."""
    os.chdir(place)
    return pickled([decode(columns_of(files)) for files in unpickled(rows)])


def columns_of(files: list[ImageFile]) -> Columns:
    """A batch of columns, as `DecodeBatch` takes it."""
    names = [written_path(file.name) for file in files]
    return {"image": as_column(names, RESULTS["name"]), "file": as_column(files, RESULTS["name"])}


class Localize:
    """The stage in actors: a network, loaded once, and batches as it takes them to rows."""

    def __init__(self, made_with: dict[str, Any], place: str) -> None:
        os.chdir(place)
        self.localize = LocalizeBatch(**made_with)

    def __call__(self, rows: Any) -> Any:
        import pyarrow  # noqa: PLC0415

        return pyarrow.concat_tables(pyarrow.table(self.localize(fitted)) for fitted in unpickled(rows))


def pickled(batches: list[Any]) -> Any:
    """Batches as a table, a row each, which nothing on its way cuts."""
    import pyarrow  # noqa: PLC0415

    rows = [pickle.dumps(batch, pickle.HIGHEST_PROTOCOL) for batch in batches]
    return pyarrow.table({"batch": pyarrow.array(rows, pyarrow.large_binary())})


def unpickled(rows: Any) -> Iterator[Any]:
    """What `pickled` made a table of."""
    return (pickle.loads(cell.as_buffer()) for cell in rows["batch"])


def reason_of(error: BaseException) -> str:
    """What a worker has raised, or how it ended, in one line."""
    last = error
    while not isinstance(last, CamkitError) and (cause := getattr(last, "cause", None) or last.__cause__) is not None:
        last = cause
    if isinstance(last, CamkitError):
        return str(last)
    said = " ".join(f"{type(last).__name__}: {last}".split())
    return f"Ray has ended the run: {said:.400}; go on with the same call and --resume"
