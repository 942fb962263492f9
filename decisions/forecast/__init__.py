"""Forecast of spend, conversions and conversion value: paths drawn from the posterior, scenarios, and their scores."""
