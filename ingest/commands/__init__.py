"""What an operator can ask for, one file a group of commands; `ingest/cli.py` assembles them.

root.py        the program itself: commands loaded on demand, language, errors
help.py        how help reads; examples.py: one of every command
check.py       what would keep the service from working
config.py      settings as they stand; configured.py: each with its origin
completion.py  scripts for shells
run.py         the service
drain.py       one worker leaves its group
database.py    migrate, bootstrap
registry.py    what is installed where
gateway.py     who may publish for an institution
quarantine/    what was rejected: list, show, replay, purge, export
findings.py    what validation found: list, show, acknowledge, close
edit.py        readings with several values: which counts
exchange.py    meters that were exchanged
decisions.py   what these two share
rebuild.py     derive everything again
stack.py       servers on this machine
demo.py        the main job on them
given.py       the settings as the environment gives them
progress.py    lines that say how far a command is; --json
columns.py     tables and paragraphs, wide characters counted
"""
