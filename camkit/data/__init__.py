"""Images and annotations: one reader a format, all giving the same records."""

from camkit.data.annotations import AnnotatedSet
from camkit.data.class_map import map_classes
from camkit.data.dataset import Batch, ImageDataset, PreparedImages, RecordDataset, Sample, collate, quiet_worker
from camkit.data.filled import FilledImages
from camkit.data.formats import READERS, hold_out, read_dataset, read_splits
from camkit.data.images import MAX_PIXELS, Decoded, Truncated, load_image, read_image, read_size
from camkit.data.listing import ImageFile, find_images
from camkit.data.map_files import MapFolder
from camkit.data.preprocess import Fit, Preprocess, View
from camkit.data.records import Record

__all__ = [
    "MAX_PIXELS",
    "READERS",
    "AnnotatedSet",
    "Batch",
    "Decoded",
    "FilledImages",
    "Fit",
    "ImageDataset",
    "ImageFile",
    "MapFolder",
    "PreparedImages",
    "Preprocess",
    "Record",
    "RecordDataset",
    "Sample",
    "Truncated",
    "View",
    "collate",
    "find_images",
    "hold_out",
    "load_image",
    "map_classes",
    "quiet_worker",
    "read_dataset",
    "read_image",
    "read_size",
    "read_splits",
]
