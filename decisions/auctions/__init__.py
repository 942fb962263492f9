"""Auctions: what bids would have bought, replayed from logs, and the parts that a bid is made of.

Pure functions over numpy arrays; `log` alone reads files. `ratios` (factors from thin data) → `multipliers` (what
platforms take) → `checks` (before release). `calibration`, `shading`, `pacing` → `strategies` → `replay`.
"""
