"""Success criteria of campaigns: which KPI can tell, how soon, and whether a contract is kept."""
