"""The refresh: pages are brought in line with their sources, then each index with the pages.

    plan.py        what the sources have now, compared with the pages that we have
    indexing.py    an index brought in line with the pages, after a kill, too
    adoption.py    copies that are there already, and on no record
    verify.py      what an index holds, compared with what we have on record
    under_way.py   one refresh at a time, and how far it is
    refresher.py   all of it in order

Nothing is removed before it is certain that it is to go, and before what takes its place is there.
Each thing done is recorded: a refresh that is killed leaves work for the next one and nothing else.
"""

from core.refresh.adoption import MARKS
from core.refresh.refresher import ANY_REMOVALS, Refresher, was_tried
from core.refresh.verify import IndexCheck

__all__ = ["ANY_REMOVALS", "MARKS", "IndexCheck", "Refresher", "was_tried"]
