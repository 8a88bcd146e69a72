"""Localize with Spark: the rows of `camkit localize`, from a column of encoded images.

``python examples/localize_on_spark.py resnet50 photos/ found.parquet`` runs on this machine; spark-submit takes it too.
"""

import sys
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import FloatType, IntegerType, StringType, StructType

TEXT, NUMBERS = ("name", "error"), ("score", "tau")
ROW = ("rank", "label", "name", "score", "x0", "y0", "x1", "y1", "tau", "width", "height", "error")
Rows = Mapping[str, NDArray[np.generic]]


def localized(images: DataFrame, model: str, batch_size: int = 64) -> DataFrame:
    """For each image the row of its predicted class; of one that cannot be read, a row with the reason in ``error``.

    Parameters
    ----------
    images : DataFrame
        With ``path`` and ``content``, as Spark's ``binaryFile`` gives them.
    model : str
        A name, or a file that every worker has.
    batch_size : int
        Images that are handed to a worker together.
    """

    def load() -> Callable[[NDArray[np.object_]], Rows]:
        """The network of one Python worker: Spark keeps what this gives, and calls it for each batch."""
        from camkit import LocalizeBatch  # noqa: PLC0415 - where the worker runs

        localize = LocalizeBatch(model)

        def of_images(content: NDArray[np.object_]) -> Rows:
            return localize({"bytes": content})

        return of_images

    row = StructType()
    for name in ROW:
        row.add(name, StringType() if name in TEXT else FloatType() if name in NUMBERS else IntegerType())
    found = predict_batch_udf(load, return_type=row, batch_size=batch_size)
    return images.select("path", found("content").alias("found")).select("path", "found.*")


def main(model: str, folder: str, out: str) -> None:
    """Localize the images below a folder into a folder of Parquet files."""
    spark = SparkSession.builder.appName("camkit").getOrCreate()
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    localized(files.option("pathGlobFilter", "*.{jpg,jpeg,png}").load(folder), model).write.parquet(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
