"""The commands of `meterwarden`, one file each; `ingest.cli` puts them together."""
