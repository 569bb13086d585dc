"""Example Ads as the sandbox declares it."""

from __future__ import annotations

from sandbox.example_ads.accounts import ACCOUNTS
from sandbox.example_ads.api import ExampleAdsServer
from sandbox.faults import FaultKind
from sandbox.platforms import Platform, Profile

PLATFORM = Platform(
    name="example_ads",
    label="Example Ads",
    accounts=ACCOUNTS,
    profiles={
        "SALES": Profile((3000, 13000), (0.014, 0.034), (0.025, 0.070)),
        "TRAFFIC": Profile((4000, 12000), (0.022, 0.048), (0.004, 0.015)),
    },
    settling_days=(28,),
    first_campaign_id=300_000_000_000,
    first_numbered_account=700_000_000_000,
    numbered_kinds=("SALES", "TRAFFIC"),
    faults={
        "quota": FaultKind("HTTP 429 with a delay", {"delay_s": 3600}),
        "internal": FaultKind("HTTP 500"),
        "expired_token": FaultKind("HTTP 401"),
        "disabled_account": FaultKind("HTTP 403"),
    },
    new_server=ExampleAdsServer,
)
