"""The network's data in batches, with bounded memory, shared out to processes and their workers.

Row groups are dealt to shards, one a process and worker; a shard reads a buffer of them, shuffles it by seed
and epoch, and cuts batches from it. So what a process holds does not grow with the data.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from moe.errors import MoeError
from training.data import Data, Group
from training.dataset import TARGETS
from training.reading import label_faults

BUFFER_ROWS = 65_536

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"numbers (n, numbers), codes (n, ids), offset, events and exposure (n, targets)."


class Stream(IterableDataset[Batch]):
    """Batches of one process. Each row comes exactly once an epoch, in one of the processes.

    `epoch` and `step` say where the next iteration starts: batches before it are passed over, and buffers
    that they fill are not even read. With one worker or none, the batches after are the same as without.
    """

    def __init__(self, data: Data, part: str, batch_rows: int, seed: int, rank: int = 0, world: int = 1,
                 workers: int = 0, buffer_rows: int = BUFFER_ROWS) -> None:
        self.reading, self.groups, self.columns = data.reading, data.groups(part), data.schema.names
        self.batch_rows, self.seed, self.buffer_rows = batch_rows, seed, buffer_rows
        self.rank, self.world, self.workers = rank, world, max(workers, 1)
        self.epoch = self.step = 0

    def plan(self) -> list[list[list[Group]]]:
        """The epoch's buffers by shard. Shuffled groups go to the shard with the fewest rows so far."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.groups))
        shards: list[list[list[Group]]] = [[] for _ in range(self.world * self.workers)]
        dealt, room = [0] * len(shards), [0] * len(shards)
        for group in (self.groups[i] for i in order):
            at = dealt.index(min(dealt))
            if room[at] <= 0:
                shards[at].append([])
                room[at] = self.buffer_rows
            shards[at][-1].append(group)
            dealt[at], room[at] = dealt[at] + group.rows, room[at] - group.rows
        return shards

    def batches(self, buffers: list[list[Group]]) -> int:
        return sum(-(-sum(group.rows for group in buffer) // self.batch_rows) for buffer in buffers)

    def steps(self) -> int:
        """Batches of the process that has most: the others fill up with empty ones, for no rows are dropped."""
        counts = [self.batches(buffers) for buffers in self.plan()]
        return max(sum(counts[at : at + self.workers]) for at in range(0, len(counts), self.workers))

    def __iter__(self) -> Iterator[Batch]:
        plan, info = self.plan(), get_worker_info()
        worker = info.id if info else 0
        mine = plan[self.rank * self.workers : (self.rank + 1) * self.workers]
        skip = self._passed([self.batches(buffers) for buffers in mine])[worker]
        for number, buffer in enumerate(mine[worker]):
            count = self.batches([buffer])
            if skip >= count:
                skip -= count
                continue
            whole = self._read(buffer)
            random = np.random.default_rng([self.seed, self.epoch, self.rank, worker, number])
            order = torch.from_numpy(random.permutation(len(whole[0])))
            for at in range(skip, count):
                chosen = order[at * self.batch_rows : (at + 1) * self.batch_rows]
                numbers, codes, offset, events, exposure = (tensor[chosen] for tensor in whole)
                yield numbers, codes, offset, events, exposure
            skip = 0

    def _passed(self, counts: list[int]) -> list[int]:
        """Batches that each worker gave before `step`: the loader asks them in turn."""
        passed, left = [0] * len(counts), self.step
        while left > 0 and passed != counts:
            for at in range(len(counts)):
                if left and passed[at] < counts[at]:
                    passed[at], left = passed[at] + 1, left - 1
        return passed

    def _read(self, buffer: list[Group]) -> Batch:
        parts = []
        for group in buffer:
            with pq.ParquetFile(group.file) as file:
                parts.append(file.read_row_group(group.index, columns=self.columns, use_threads=False))
        table = pa.concat_tables(parts)
        columns = {name: table[name] if kind == "string" else table[name].to_numpy()
                   for name, kind in self.reading.kinds.items()}
        events, exposure = (np.column_stack([table[getattr(target, which)].to_numpy() for target in TARGETS])
                            for which in ("events", "exposure"))
        if faults := label_faults(events, exposure):
            raise MoeError(f"{' or '.join(sorted({str(g.file) for g in buffer})[:3])} has {faults}",
                           "mend the labels: counts are finite, and 0 where exposure is 0")
        numbers, codes = self.reading.inputs(columns)
        rest = (np.asarray(v, dtype=np.float32) for v in (self.reading.offsets(columns), events, exposure))
        offset, *counts = (torch.from_numpy(values) for values in rest)
        return torch.from_numpy(numbers), torch.from_numpy(codes), offset, counts[0], counts[1]

    def empty(self) -> Batch:
        ids, targets = len(self.reading.vocabularies), len(TARGETS)
        none = torch.zeros(0, targets)
        return torch.zeros(0, self.reading.numbers), torch.zeros(0, ids, dtype=torch.int64), none, none, none
