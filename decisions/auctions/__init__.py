"""Auctions: what bids would have bought, replayed from logs, and the parts that a bid is made of.

Pure functions over numpy arrays; `files` alone reads a log. `ratios` (from thin data) → `evidence` (whether hours
or places differ) → `percents` (what platforms take) → `checks` (before release). `calibration`, `shading`, `pacing` →
`strategies` → `replay`.
"""
