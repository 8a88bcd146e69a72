"""Images and annotations: one reader a format, all giving the same records."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camkit.data.annotations import AnnotatedSet
    from camkit.data.class_map import map_classes
    from camkit.data.dataset import (
        Batch,
        ImageDataset,
        ImageStream,
        PreparedImages,
        RecordDataset,
        Sample,
        Samples,
        collate,
        quiet_worker,
    )
    from camkit.data.filled import FilledImages
    from camkit.data.formats import READERS, Format, Found, find_format, hold_out, read_dataset, read_splits
    from camkit.data.image_file import ImageFile
    from camkit.data.image_list import ImageList
    from camkit.data.images import MAX_PIXELS, Decoded, Truncated, load_image, read_image, read_size
    from camkit.data.listing import find_images, list_images
    from camkit.data.map_files import MapFolder
    from camkit.data.preprocess import Fit, Preprocess, View
    from camkit.data.readers import read_batches
    from camkit.data.records import Record

# Loaded when first used: the command line looks at files and names without loading torch.
MODULE_OF = {
    "AnnotatedSet": "annotations",
    "Batch": "dataset",
    "Decoded": "images",
    "FilledImages": "filled",
    "Fit": "preprocess",
    "Format": "formats",
    "Found": "formats",
    "ImageDataset": "dataset",
    "ImageFile": "image_file",
    "ImageList": "image_list",
    "ImageStream": "dataset",
    "MAX_PIXELS": "images",
    "MapFolder": "map_files",
    "PreparedImages": "dataset",
    "Preprocess": "preprocess",
    "READERS": "formats",
    "Record": "records",
    "RecordDataset": "dataset",
    "Sample": "dataset",
    "Samples": "dataset",
    "Truncated": "images",
    "View": "preprocess",
    "collate": "dataset",
    "find_format": "formats",
    "find_images": "listing",
    "list_images": "listing",
    "hold_out": "formats",
    "load_image": "images",
    "map_classes": "class_map",
    "quiet_worker": "dataset",
    "read_batches": "readers",
    "read_dataset": "formats",
    "read_image": "images",
    "read_size": "images",
    "read_splits": "formats",
}

__all__ = [
    "MAX_PIXELS",
    "READERS",
    "AnnotatedSet",
    "Batch",
    "Decoded",
    "FilledImages",
    "Fit",
    "Format",
    "Found",
    "ImageDataset",
    "ImageFile",
    "ImageList",
    "ImageStream",
    "MapFolder",
    "PreparedImages",
    "Preprocess",
    "Record",
    "RecordDataset",
    "Sample",
    "Samples",
    "Truncated",
    "View",
    "collate",
    "find_format",
    "find_images",
    "hold_out",
    "list_images",
    "load_image",
    "map_classes",
    "quiet_worker",
    "read_batches",
    "read_dataset",
    "read_image",
    "read_size",
    "read_splits",
]


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULE_OF[name]}"), name)
