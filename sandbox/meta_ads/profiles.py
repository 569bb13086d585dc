"""The behaviour of Meta's campaigns, by objective."""

from __future__ import annotations

from sandbox.platforms import Profile

PROFILES = {
    "OUTCOME_SALES": Profile((3000, 13000), (0.014, 0.034), (0.025, 0.070)),
    "OUTCOME_LEADS": Profile((2000, 9000), (0.015, 0.032), (0.040, 0.090)),
    "OUTCOME_TRAFFIC": Profile((4000, 12000), (0.022, 0.048), (0.004, 0.015)),
    "OUTCOME_AWARENESS": Profile((9000, 30000), (0.006, 0.014), (0.004, 0.012)),
    "OUTCOME_ENGAGEMENT": Profile((4000, 11000), (0.012, 0.026), (0.006, 0.018)),
}
