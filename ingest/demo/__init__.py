"""The main job on real embedded servers, end to end, judged by the simulator's ledger.

run.py       servers, database, registry, service: started as a user would
shown.py     what is shown while the month flows in and at its end, and whether it agrees
running.py   what these steps share
"""

from ingest.demo.run import demo
from ingest.demo.running import DemoFailed

__all__ = ["DemoFailed", "demo"]
