"""What the reference says of the public views is what a migrated database has."""

from ingest.storage import views
from tests.databases import Database


async def test_the_views_of_the_reference_are_those_of_the_database(database: Database) -> None:
    """Every view, every column in its order, its type and comment, as whoever reads them sees it."""
    assert await views.published(database.reader_url) == views.kept()
