"""`docent migrate`: bring the database to the version of this Docent."""

import argparse

from core.config import load_settings
from core.store import migrate_database


async def main(options: argparse.Namespace) -> int:
    """Migrate, and say from which version to which."""
    before, after = await migrate_database(load_settings().database_url)
    if before == after:
        print(f"The database is at version {after} already.")
    else:
        print(f"The database went from version {before} to {after}.")
    return 0
