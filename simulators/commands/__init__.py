"""The commands of `meterwarden simulate`, one file each.

options.py   what several commands are told: the fleet, the broker
registry.py  publish.py  verify.py
"""
