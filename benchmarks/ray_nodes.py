"""`camkit localize --engine ray` on several Ray nodes, one of which is killed, with images from an S3 server.

    python benchmarks/ray_nodes.py --images photos/
    python benchmarks/ray_nodes.py --images photos/ --s3

The nodes are on this computer, each with its own raylet, object store and workers, as machines of a cluster have them.
With `--s3` the images are put into a bucket of a server on this computer first (moto), and read from there by URI. Once
rows are on the disk the last node is killed, with all its processes. The rows must be those of one process without Ray.
"""

import argparse
import csv
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

NAMES = ("image", "rank", "label", "x0", "y0", "x1", "y1", "score")
BUCKET = "photographs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--images", type=Path, required=True, help="a folder")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=2, help="of each node")
    parser.add_argument("--actors", type=int, help="by default all that the CPUs of all nodes allow")
    parser.add_argument("--s3", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        images = str(options.images)
        if options.s3:
            images = stack.enter_context(bucket(options.images))
        one = [sys.executable, "-m", "camkit", "localize", "--model", options.model, "--device", "cpu"]
        alone = folder / "alone"
        subprocess.run([*one, "--images", str(options.images), "--no-optimize", "--no-overlays", "--out", str(alone)],
                       stdout=subprocess.DEVNULL, check=False)  # fmt: skip
        expected = boxes_of(alone)
        cluster, nodes = stack.enter_context(ray_nodes(options.nodes, options.cpus))
        found = folder / "found.parquet"
        call = [*one, "--engine", "ray", "--address", cluster.address, "--images", images, "--save-every", "0",
                *(["--actors", str(options.actors)] if options.actors else []), "--out", str(found)]  # fmt: skip
        started = time.perf_counter()
        run = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
        while run.poll() is None and not list(found.glob("part-*.parquet")):
            time.sleep(0.05)
        at_death = rows_of(found)
        cluster.remove_node(nodes[-1], allow_graceful=False)
        said, _ = run.communicate()
        seconds = time.perf_counter() - started
        rows = rows_of(found)
        print(said.strip())
        print(f"{options.nodes} nodes of {options.cpus} CPUs, one killed after {len(at_death)} rows, images "
              f"{'by ' + images if options.s3 else 'from a folder'}: {seconds:.0f} s, {len(rows)} rows, "
              f"{'the same' if rows == expected else 'NOT THE SAME'} as {len(expected)} of one process")  # fmt: skip
        sys.exit(rows != expected or len(at_death) == len(rows))


@contextmanager
def ray_nodes(count: int, cpus: int) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster: a head that has no CPU to give, and nodes."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - prints when it is imported

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80 << 20})
    try:
        yield cluster, [cluster.add_node(num_cpus=cpus, object_store_memory=80 << 20) for _ in range(count)]
    finally:
        cluster.shutdown()


@contextmanager
def bucket(images: Path) -> Iterator[str]:
    """A URI below which a server on this computer has the images."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - an extra
    from pyarrow.fs import LocalFileSystem, S3FileSystem, copy_files  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1",
                       "AWS_ENDPOINT_URL": f"http://{host}:{port}"}  # fmt: skip
        system = S3FileSystem(endpoint_override=f"{host}:{port}", scheme="http", allow_bucket_creation=True)
        system.create_dir(BUCKET)
        copy_files(str(images.resolve()), BUCKET, source_filesystem=LocalFileSystem(), destination_filesystem=system)
        yield f"s3://{BUCKET}"
    finally:
        server.stop()


def boxes_of(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "boxes.csv").open(newline="") as file:
        return [tuple(row[name] for name in NAMES) for row in csv.DictReader(file)]


def rows_of(folder: Path) -> list[tuple[str, ...]]:
    """Rows as boxes.csv has them, without those of failures."""

    def text(value: Any) -> str:
        return str(np.float32(value)) if isinstance(value, float) else str(value)

    if not list(folder.glob("part-*.parquet")):
        return []
    rows = parquet.read_table(folder).to_pylist()
    return [tuple(text(row[name]) for name in NAMES) for row in rows if not row["error"]]


if __name__ == "__main__":
    main()
