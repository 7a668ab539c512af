"""The domain, pure: nothing here waits, logs, or knows a database, a broker or a clock.

    calendar.py      local hours, days, months and years of a zone, as instants
    registers.py     a register's value as an exact integer
    channel.py       what settlement must know of a channel, versioned in valid time
    steps.py         readings -> steps: the fold that says which readings count
    bookings.py      steps -> hours and days, sums exact, quality per period
    consumption.py   one channel: readings and stored states -> rows to write
    sessions.py      what a charger stated of a charging session -> times, energy, what may be billed
    connectors.py    the sessions of a connector held against each other
    charger_days.py  a charger's register held against its sessions, by local day
    formula.py       what a virtual meter is made of
    sub_items.py     which part of an institution's electricity a meter counts, and what indicators leave out
    tree.py          who hangs behind whom, and when; what does not fit
    sums.py          a tree -> weighted channels: totals, gaps, sub-items, virtual meters, exclusions
    quotas.py        which quota row an institution is held against, and its allowance
    vee/             closed days -> findings for somebody to look at: a package of its own
    levels.py        days of a period -> how the institution stands: a fold with hysteresis

Instants are integers: microseconds since 1970-01-01T00:00Z. Days are `date.toordinal()` numbers of the local calendar.
"""
