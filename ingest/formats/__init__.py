"""Payload formats, one file each: bytes -> readings, or Rejection. Pure.

native_v1.py   Meterwarden's own JSON, version 1 (the contract in `schemas/`)
faults.py      what a schema error means, as a reason
"""
