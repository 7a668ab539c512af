"""Files that a program looks for below /usr/share, found in the tree it was unpacked into instead.

Debian fixes these paths at build time, and none of the programs has a setting for them. A replacement of the same length
goes through the server's working directory, where a link leads into the tree: so the cache may lie anywhere, and the
machine needs neither zone files nor Debian's Prometheus.
"""

from dataclasses import dataclass
from pathlib import Path

WORKING_DIRECTORY = "/proc/self/cwd"


@dataclass(frozen=True, slots=True)
class Relocation:
    """One path fixed in one program, and the name of the link that replaces it."""

    program: str
    built_in: str
    link: str

    @property
    def replacement(self) -> str:
        """A path through the working directory, as long as the built-in one: slashes in a row count as one."""
        padding = len(self.built_in) - len(WORKING_DIRECTORY) - len(self.link)
        return WORKING_DIRECTORY + "/" * padding + self.link

    def patch(self, root: Path) -> None:
        """The unpacked program uses the link. One without that path stays as it is."""
        program = root / self.program
        program.write_bytes(program.read_bytes().replace(self.built_in.encode(), self.replacement.encode()))

    def provide(self, root: Path, working_directory: Path) -> None:
        """The link is there, for a server that is started in this directory."""
        (working_directory / self.link).symlink_to(root / self.built_in.lstrip("/"))


ZONES = Relocation("usr/lib/postgresql/17/bin/postgres", "/usr/share/zoneinfo", "zone")
TEMPLATES = Relocation("usr/bin/prometheus-alertmanager", "/usr/share/prometheus/alertmanager", "alertmanager")
WEB = Relocation("usr/bin/prometheus", "/usr/share/prometheus/web", "web")
RELOCATIONS = (ZONES, TEMPLATES, WEB)
