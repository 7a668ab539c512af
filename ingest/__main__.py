"""`python -m ingest`: the same as `meterwarden`."""

from ingest.cli import main

main()
