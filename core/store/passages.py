"""Full-text search over passages."""

from core.store.database import Database


class Passages:
    """Placeholder until the owner writes it."""

    def __init__(self, database: Database) -> None:
        self._database = database
