"""Decisions: from what each budget line returned to tomorrow's budget per line and bid per segment.

The core is pure functions over numpy arrays, without files or settings:
`curves` (what a line returns for its spend) → `overrides` (what a person says) → `allocation` (the night's
money, to the cent) → `bids` (what that money may pay for a click).
"""
