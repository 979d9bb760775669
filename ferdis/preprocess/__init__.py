"""Pictures to crops: reading, face alignment, the cache on disk; and augmentation on the device.

Names are looked up when they are first used: reading and aligning need neither torch nor the cache.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferdis.preprocess.align import TEMPLATE as TEMPLATE
    from ferdis.preprocess.align import Aligner as Aligner
    from ferdis.preprocess.align import Detections as Detections
    from ferdis.preprocess.align import WholePicture as WholePicture
    from ferdis.preprocess.align import align_points as align_points
    from ferdis.preprocess.align import warp as warp
    from ferdis.preprocess.cache import CacheError as CacheError
    from ferdis.preprocess.cache import default_directory as default_directory
    from ferdis.preprocess.images import UnreadableImageError as UnreadableImageError
    from ferdis.preprocess.images import centre_crop as centre_crop
    from ferdis.preprocess.images import read_image as read_image
    from ferdis.preprocess.images import read_size as read_size
    from ferdis.preprocess.images import resize as resize
    from ferdis.preprocess.images import resize_batch as resize_batch
    from ferdis.preprocess.pipeline import LazyImages as LazyImages
    from ferdis.preprocess.pipeline import prepare as prepare

_PUBLIC = {
    "TEMPLATE": "align",
    "Aligner": "align",
    "CacheError": "cache",
    "Detections": "align",
    "LazyImages": "pipeline",
    "UnreadableImageError": "images",
    "WholePicture": "align",
    "align_points": "align",
    "centre_crop": "images",
    "default_directory": "cache",
    "prepare": "pipeline",
    "read_image": "images",
    "read_size": "images",
    "resize": "images",
    "resize_batch": "images",
    "warp": "align",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
