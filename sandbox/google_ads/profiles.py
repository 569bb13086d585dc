"""The behaviour of Google's campaigns, by channel type."""

from __future__ import annotations

from sandbox.platforms import Profile

PROFILES = {
    "SEARCH": Profile((900, 4200), (0.028, 0.058), (0.035, 0.090)),
    "PERFORMANCE_MAX": Profile((3000, 14000), (0.012, 0.030), (0.030, 0.075)),
    "SHOPPING": Profile((2500, 9000), (0.011, 0.026), (0.025, 0.065)),
    "VIDEO": Profile((4000, 16000), (0.008, 0.016), (0.010, 0.030)),
    "DISPLAY": Profile((5000, 18000), (0.006, 0.015), (0.010, 0.028)),
    "DEMAND_GEN": Profile((3500, 12000), (0.011, 0.024), (0.020, 0.045)),
}
