"""The specification's network: click and conversion rate of a line's segment from 128 inputs.

The specification's layers (256, 128, 64, ReLU, dropout 0.2, sigmoid) with two heads. Its 128 inputs are the
standardised numbers, whether each is missing, and embeddings of the ids, which share what is left (Guo &
Berkhahn 2016, arXiv:1604.06737). The heads start from the logit of the 28-day shrunk rate and a last layer
of zeros, so that an untrained network is the baseline, and decay and early stopping pull towards it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from moe.errors import MoeError
from training.dataset import TARGETS, FloatArray, Target
from training.models import LARGEST_CORRECTION
from training.reading import Reading

INPUTS, HIDDEN, DROPOUT = 128, (256, 128, 64), 0.2
SPREAD = 0.1
"Standard deviation of new embeddings: of 1, they drown the numbers in the first epochs."
HIDDEN_IDS = 0.05
"Share of ids that training sees as unknown, so that the network has learnt what to say of a new line."
ROWS_AT_ONCE = 65_536
"Of a prediction: bounds its memory."


def embedding_widths(numbers: int, vocabularies: Sequence[int], input_dim: int = INPUTS) -> list[int]:
    """Widths that fill the inputs, in proportion to the logarithm of each id's number of values."""
    left = input_dim - numbers
    if left < len(vocabularies):
        raise MoeError(f"{numbers} numeric inputs and {len(vocabularies)} ids do not fit into {input_dim} inputs",
                       "take features out of the feature service, or make INPUTS of training/network.py larger")
    shares = np.log1p(np.maximum(vocabularies, 1))
    widths = 1 + np.floor((left - len(shares)) * shares / shares.sum()).astype(int)
    widths[int(np.argmax(shares))] += left - widths.sum()
    return [int(width) for width in widths]


class CampaignPerformanceModel(nn.Module):
    """Shares in (0, 1) of the targets' ceilings, shape (n, targets).

    `numbers` (n, numbers), `codes` (n, ids) with 0 for unknown, `offset` (n, targets): logits to start from.
    """

    def __init__(self, numbers: int, vocabularies: Sequence[int], input_dim: int = INPUTS,
                 hidden_dims: Sequence[int] = HIDDEN) -> None:
        super().__init__()
        widths = embedding_widths(numbers, vocabularies, input_dim)
        self.embeddings = nn.ModuleList(_embedding(known, width)
                                        for known, width in zip(vocabularies, widths, strict=True))
        self.layers = nn.ModuleList()
        for before, after in zip((input_dim, *hidden_dims), hidden_dims, strict=False):
            self.layers.extend([nn.Linear(before, after), nn.ReLU(), nn.Dropout(DROPOUT)])
        self.output_layer = nn.Linear(hidden_dims[-1], len(TARGETS))
        nn.init.zeros_(self.output_layer.weight)
        nn.init.zeros_(self.output_layer.bias)

    def correction(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """f(x): what is added to the logits, shape (n, targets)."""
        if self.training:
            codes = codes * (torch.rand(codes.shape, device=codes.device) >= HIDDEN_IDS)
        embedded = [embedding(codes[:, i]) for i, embedding in enumerate(self.embeddings)]
        x = torch.cat([numbers, *embedded], dim=1)
        for layer in self.layers:
            x = layer(x)
        added: Tensor = self.output_layer(x)
        return added.clamp(-LARGEST_CORRECTION, LARGEST_CORRECTION)

    def forward(self, numbers: Tensor, codes: Tensor, offset: Tensor) -> Tensor:
        return torch.sigmoid(offset + self.correction(numbers, codes).float())


def _embedding(known: int, width: int) -> nn.Embedding:
    """The unknown's, at 0, stays zero: the mean of what the others start from and decay to."""
    made = nn.Embedding(known + 1, width, padding_idx=0)
    nn.init.normal_(made.weight, std=SPREAD)
    with torch.no_grad():
        made.weight[0].zero_()
    return made


def built(reading: Reading) -> CampaignPerformanceModel:
    return CampaignPerformanceModel(reading.numbers, reading.vocabularies)


@dataclass(frozen=True)
class Network:
    """A head as a correction of its target's base: σ(o + f) / σ(o), whose product with the base is the rate.

    So a base above the ceiling is still only corrected, by what its clipped logit o says.
    """

    model: CampaignPerformanceModel
    reading: Reading
    target: Target
    name: str = "network"

    def log_factor(self, columns: Mapping[str, Any]) -> FloatArray:
        offset = self.reading.offset(columns, self.target)
        return _log_sigmoid(offset + self._added(columns)) - _log_sigmoid(offset)

    @property
    def head(self) -> int:
        return TARGETS.index(self.target)

    def _added(self, columns: Mapping[str, Any]) -> FloatArray:
        self.model.eval()
        numbers, codes = self.reading.inputs(columns)
        with torch.inference_mode():
            parts = [self.model.correction(torch.from_numpy(numbers[at : at + ROWS_AT_ONCE]),
                                           torch.from_numpy(codes[at : at + ROWS_AT_ONCE]))[:, self.head]
                     for at in range(0, max(len(numbers), 1), ROWS_AT_ONCE)]
            return torch.cat(parts).double().numpy()


def _log_sigmoid(logit: FloatArray) -> FloatArray:
    return -np.logaddexp(0.0, -logit)
