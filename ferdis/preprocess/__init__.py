"""Pictures to crops: reading, face alignment, the cache on disk; and augmentation on the device."""

from __future__ import annotations

from ferdis.preprocess.align import TEMPLATE, Aligner, Detections, WholePicture, align_points, warp
from ferdis.preprocess.cache import CacheError, default_directory
from ferdis.preprocess.images import (
    UnreadableImageError,
    centre_crop,
    read_image,
    read_size,
    resize,
    resize_batch,
)
from ferdis.preprocess.pipeline import LazyImages, prepare

__all__ = [
    "TEMPLATE",
    "Aligner",
    "CacheError",
    "Detections",
    "LazyImages",
    "UnreadableImageError",
    "WholePicture",
    "align_points",
    "centre_crop",
    "default_directory",
    "prepare",
    "read_image",
    "read_size",
    "resize",
    "resize_batch",
    "warp",
]
