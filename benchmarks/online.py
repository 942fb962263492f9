"""Reading features by entity: our reader beside Feast's own `get_online_features`, on SQLite and Redis.

    python -m benchmarks.online            # Redis is started on a free port (apt-get install redis-server)
    python -m benchmarks.online --sizes 2000

Milliseconds a request in one process, entities drawn at random, p50 and p99; `+ predict` is the read and then
`Bundle.predict` with the features on demand that a request brings (weekday of the decided day), which the model's
graph transforms. The model is trained before on a small simulated advertiser. Every reader's answers are compared
with Feast's first. The seconds that bringing the night online took stand in the table too.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.memory import peak_mib

SIZES, BATCHES, UNIT = (2_000, 100_000), (1, 64), "bench"
REQUESTS, FEAST_REQUESTS = 2_000, 300
