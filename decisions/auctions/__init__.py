"""Auctions: what bids would have bought, replayed from logs, and the parts that a bid is made of.

Pure functions over numpy arrays; `files` alone reads a log. `ratios` (factors from thin data) → `grid` and
`multipliers` (what platforms take) → `checks` (before release). `calibration`, `shading`, `pacing` →
`strategies` → `replay`.
"""
