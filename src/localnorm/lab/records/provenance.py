"""Provenance of a record: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import localnorm

_PACKAGES = (
    "torch",
    "numpy",
    "scikit-learn",
    "scikit-image",
    "pillow",
    "lightning-fabric",
    "torchmetrics",
)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """Return the commit of the checkout that localnorm is imported from, None if it is not a checkout."""
    root = Path(localnorm.__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        shown = subprocess.run(  # noqa: S603  fixed words and the package's own folder
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return shown.stdout.strip()


def versions() -> dict[str, str]:
    """Return the installed versions of Python, localnorm and the packages that a result depends on."""
    installed = {"python": platform.python_version(), "localnorm": localnorm.__version__}
    for package in _PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = "not installed"
    return installed


@cache
def provenance() -> dict[str, Any]:
    """Return the machine and the software of this process, as records store them."""
    return {
        "versions": versions(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "commit": _commit(),
    }
