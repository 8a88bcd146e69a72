"""Images and annotations: one reader a format, all giving the same records."""

from camkit.data.annotations import AnnotatedSet
from camkit.data.dataset import Batch, ImageDataset, RecordDataset, Sample, collate
from camkit.data.formats import READERS, hold_out, read_dataset, read_splits
from camkit.data.images import MAX_PIXELS, ImageFile, find_images, read_image, read_size
from camkit.data.map_files import MapFolder
from camkit.data.preprocess import Fit, Preprocess, View
from camkit.data.records import Record

__all__ = [
    "MAX_PIXELS",
    "READERS",
    "AnnotatedSet",
    "Batch",
    "Fit",
    "ImageDataset",
    "ImageFile",
    "MapFolder",
    "Preprocess",
    "Record",
    "RecordDataset",
    "Sample",
    "View",
    "collate",
    "find_images",
    "hold_out",
    "read_dataset",
    "read_image",
    "read_size",
    "read_splits",
]
