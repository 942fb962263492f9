"""The ground floor: settings, units, contracts, tables, the job contract, the ledger and publishing.

It stands on nothing of the project; every other room stands on it.
"""

__version__ = "0.1.0"
