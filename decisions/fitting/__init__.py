"""Response curves of all lines, with a posterior: `history` checks what is known, `fit` gives what is believed of it.

**Observational curves are confounded**: see `confounding`. A line without an experiment says so (`Fitted.evidence`).
"""

from decisions.fitting.diagnostics import Diagnostics, diagnose
from decisions.fitting.experiments import Experiment
from decisions.fitting.history import History, history
from decisions.fitting.lines import fit
from decisions.fitting.model import SIMPLE, Spec
from decisions.fitting.posterior import Fitted

__all__ = ["SIMPLE", "Diagnostics", "Experiment", "Fitted", "History", "Spec", "diagnose", "fit", "history"]
