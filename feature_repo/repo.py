"""What `feast apply` in this folder registers: the definitions of the unit that the settings name.

Only Feast's command line imports this file; the nightly jobs call `feature_repo.store`.
"""

from feature_repo.definitions import definitions
from moe.settings import settings
from moe.units import load_unit

# Feast looks for objects among a module's attributes, not in lists.
for _object in definitions(settings(), load_unit(settings().unit).unit):
    globals()[f"{type(_object).__name__}_{_object.name}"] = _object
