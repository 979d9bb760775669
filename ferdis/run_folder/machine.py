"""What a command ran on: versions, processor, accelerators, memory, commit."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy", "pandas", "scipy", "scikit-learn", "torch", "torchvision", "timm", "lightning",
    "facenet-pytorch", "joblib", "safetensors", "torchmetrics", "pillow", "matplotlib",
)  # fmt: skip


def git_commit() -> str:
    """Commit of the working folder, ``+changes`` when tracked files differ from it; ``unknown`` without one."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    return f"{head[:12]}+changes" if _git("status", "--porcelain", "--untracked-files=no") else head[:12]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def version(package: str) -> str:
    """Installed version of a package, or ``absent``."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def environment() -> dict[str, Any]:
    """What the run ran on: versions, processor, accelerators, threads, memory (GB), commit, command, time (UTC)."""
    import joblib
    import torch

    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "ferdis": version("ferdis"),
        "commit": git_commit(),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": joblib.cpu_count(),
        "memory_gb": _memory_gb(),
        "torch_threads": torch.get_num_threads(),
        "cuda": {"version": torch.version.cuda, "devices": cuda},
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None  # not known on this system
