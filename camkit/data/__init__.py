"""Images and annotations: one reader a format, all giving the same records."""

from camkit.data.dataset import Batch, ImageDataset, Sample, collate
from camkit.data.images import MAX_PIXELS, ImageFile, find_images, read_image
from camkit.data.preprocess import Fit, Preprocess, View
from camkit.data.records import Record

__all__ = [
    "MAX_PIXELS",
    "Batch",
    "Fit",
    "ImageDataset",
    "ImageFile",
    "Preprocess",
    "Record",
    "Sample",
    "View",
    "collate",
    "find_images",
    "read_image",
]
