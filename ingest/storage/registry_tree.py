"""Registry lines as trees of meters: what does not fit, by file and line."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.metering.calendar import instant
from ingest.metering.formula import parse
from ingest.metering.tree import Node, mistakes
from ingest.storage.registry_lines import begin, end


def misplaced(files: Mapping[str, list[Any]], zone_of: Mapping[str, str]) -> list[tuple[str, int, str]]:
    """Every line whose place in its institution's trees cannot be: its file, its number and what is wrong."""
    trees: dict[str, list[Node]] = defaultdict(list)
    for institution, node in _nodes(files, zone_of):
        trees[institution].append(node)
    return sorted((*node.place, text) for nodes in trees.values() for node, text in mistakes(nodes))


def _nodes(files: Mapping[str, list[Any]], zone_of: Mapping[str, str]) -> Iterator[tuple[str, Node]]:
    for name in ("meters", "virtual_meters"):
        for line in files[name]:
            zone = zone_of[line.institution]
            formula = parse(line.formula) if name == "virtual_meters" else None
            yield line.institution, Node(
                line.medium.value, line.meter, line.role, line.parent, line.sub_item,
                instant(begin(line, zone)), instant(end(line, zone)), formula, place=(name, line.line_number),
            )  # fmt: skip
