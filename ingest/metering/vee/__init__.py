"""Validation after settlement: closed days of stored rows -> findings for somebody to look at. Pure, and never in the intake path.

    digest.py    one channel, one local day: hours and raw readings in some twenty numbers
    view.py      what a rule is given (a window of digests, the registry's facts) and what it answers
    rules.py     RULES: every rule, one line each
    clocks.py use.py shape.py arrival.py scale.py sums.py water.py jumps.py   the rules, a family a file
    episodes.py  signals of single days -> findings

Formulas, defaults, sources and how often each rule is right: docs/vee.md. Sources in brackets (S69 ...) are listed there.
"""
