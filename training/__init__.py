"""Training: sets, models, evaluation, calibration, registration, export and the nightly score."""
