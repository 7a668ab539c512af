"""Chinese of texts that the code writes in English where they arise, by their English; `{name}` stands for what is filled in.

program.py   what click says of a wrong call, and the frames around faults
settings.py  what is wrong with settings
findings.py  what rules of validation say
registry.py  what is wrong with registry files
servers.py   faults of database, broker and the servers on this machine, what the stack says it does

The simulator's are in `simulators/chinese.py`. A more particular template stands before a more general one.
"""

from typing import Final

from ingest.chinese.findings import FINDINGS
from ingest.chinese.program import PROGRAM
from ingest.chinese.registry import REGISTRY
from ingest.chinese.servers import SERVERS
from ingest.chinese.settings import SETTINGS

CATALOGUE: Final[dict[str, str]] = {**SETTINGS, **REGISTRY, **SERVERS, **FINDINGS, **PROGRAM}
