"""Answers from the documentation without a language model, and the index that it searches.

`LocalIndex` takes pages in, `PageFinder` finds passages of them, `LocalEngine` answers with these.
"""

from core.local_engine.engine import LocalEngine
from core.local_engine.finder import PageFinder
from core.local_engine.index import LocalIndex

__all__ = ["LocalEngine", "LocalIndex", "PageFinder"]
