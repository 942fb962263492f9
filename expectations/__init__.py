"""The gate: contracts become Great Expectations suites; rows that break a rule go to quarantine."""
