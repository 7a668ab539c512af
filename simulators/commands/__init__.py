"""The commands of `meterwarden simulate`, one file each.

options.py   what several commands are told: the fleet, the clock
broker.py    the options that say which broker
registry.py  exchanges.py  truth.py  publish.py  verify.py  load.py  plot.py
replay.py    also `meterwarden replay`; replay_options.py: what it is told
"""
