"""`meterwarden quarantine`: what was rejected, in an operator's hands. How to work with it: docs/quarantine.md.

options.py   the filter that list, replay, purge and export share
listing.py   list: a table, or JSON
show.py      one message whole, and what to do next
hints.py     what to do next, for each reason
replay.py    through intake once more
purge.py     deleted, with a record
export.py    every column, as JSON
escaped.py   foreign bytes as a terminal can take them
record.py    a message as a JSON object
database.py  the faults of the database in words, progress on stderr
"""

import click

from ingest.commands.quarantine.export import export
from ingest.commands.quarantine.listing import list_messages
from ingest.commands.quarantine.purge import purge_messages
from ingest.commands.quarantine.replay import replay_messages
from ingest.commands.quarantine.show import show
from ingest.words import both

__all__ = ["quarantine"]


@click.group(help=both("Rejected messages: find, read, replay, delete, export.", "被拒绝的消息:查询、查看、重放、删除、导出。"))
def quarantine() -> None:
    """Rejected messages: find, read, replay, delete, export."""


for command in (list_messages, show, replay_messages, purge_messages, export):
    quarantine.add_command(command)
