"""Reading the LRN-like and GDN layers of model files of any framework, without running what the files hold."""

from __future__ import annotations

from localnorm.inspection.formats import inspect_file
from localnorm.inspection.layer import Inspected, NormLayer

__all__ = ["Inspected", "NormLayer", "inspect_file"]
