"""From scores to probabilities that mean what they say.

A calibrator learns one map from score to probability; methods differ in the shape of that map, in
what they assume of the score and in what they promise.
"""

from .calibrated_model import CalibratedModel
from .calibrated_training import CalibratedTraining
from .calibrator import Calibrator

__all__ = ["CalibratedModel", "CalibratedTraining", "Calibrator"]
