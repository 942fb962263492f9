"""Feature jobs on Spark: one file a job, each a pure function of DataFrames (see `moe/jobs.py`)."""
