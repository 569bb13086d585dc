"""The sandbox's faults for chaos: limited in number, so that a run ends, and sorted by their cost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox import Sandbox
from sandbox.faults import Fault
from sandbox.platforms import platforms

ACCOUNTS: dict[str, tuple[str, ...]] = {
    "google_ads": ("4123087751", "5182204466", "7001002010", "7001002030", "3390417725", "8864201357"),
    "meta_ads": ("301400000000101", "301400000000102", "301400000000201", "301400000000301", "301400000000401"),
}

Cost = Literal["nothing", "rows", "time"]


@dataclass(frozen=True)
class Recipe:
    """How to apply a kind of fault.

    Args:
        platform: The platform that has the fault.
        kind: The sandbox's name of the fault.
        costs: ``nothing`` if a run must survive the fault. ``rows`` if the run may fail or skip an account or a row.
            ``time`` if the run would wait longer than a round lasts, so it is killed while it waits.
        choices: Values to draw from, by parameter.
        calls: The maximum number of consecutive requests that it hits.
        one_account: Whether it hits requests for one account only.
        report_runs: Whether the run must use Meta's asynchronous reports.
        method: The API method that it hits. None for any.
    """

    platform: str
    kind: str
    costs: Cost = "nothing"
    choices: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    calls: int = 2
    one_account: bool = False
    report_runs: bool = False
    method: str | None = None


RECIPES = (
    Recipe("google_ads", "internal"),
    Recipe("google_ads", "unavailable"),
    Recipe("google_ads", "broken_stream", choices={"after_rows": (1, 5)}),
    Recipe("google_ads", "rate_limited_short", choices={"delay_s": (0.2, 1)}),
    Recipe("google_ads", "slow", choices={"delay_s": (0.3, 1)}),
    # 4 s are longer than a run may sleep here (child_process.py), so Dagster retries the step.
    Recipe("google_ads", "quota", choices={"delay_s": (1, 4)}, calls=1),
    Recipe("google_ads", "expired_token", "rows", calls=1),
    Recipe("google_ads", "bad_developer_token", "rows", calls=1),
    Recipe("google_ads", "sunset_version", "rows", calls=1),
    Recipe("google_ads", "disabled_account", "rows", one_account=True, calls=1),
    Recipe("google_ads", "malformed", "rows", {"field": ("date", "conversions", "campaign_id"), "row": (0, 3)}, 1),
    Recipe("google_ads", "duplicate_rows", "rows", {"rows": (1, 4)}, 1, one_account=True),
    Recipe("meta_ads", "throttle", choices={"code": (4, 17, 32, 613, 80000), "regain_minutes": (0,)}),
    Recipe("meta_ads", "throttle", "time", {"regain_minutes": (5,)}, calls=20),
    Recipe("meta_ads", "transient", choices={"code": (1, 2)}),
    Recipe("meta_ads", "html_502", choices={"status": (200, 502, 503)}),
    Recipe("meta_ads", "empty_page_with_next"),
    Recipe("meta_ads", "connection_reset"),
    Recipe("meta_ads", "slow", choices={"delay_s": (0.3, 1)}),
    Recipe("meta_ads", "reduce_data", choices={"max_days": (0, 2)}),
    Recipe("meta_ads", "usage_high", choices={"percent": (97, 100)}, calls=4),
    Recipe("meta_ads", "async_failed", choices={"status": ("Job Failed", "Job Skipped")}, report_runs=True),
    Recipe("meta_ads", "async_stuck", calls=1, report_runs=True),
    Recipe("meta_ads", "expired_token", "rows", calls=1),
    Recipe("meta_ads", "sunset_version", "rows", calls=1),
    Recipe("meta_ads", "disabled_account", "rows", one_account=True, calls=1),
    Recipe("meta_ads", "malformed", "rows", {"field": ("spend", "impressions", "date_start")}, 1, method="insights"),
    Recipe("meta_ads", "duplicate_rows", "rows", {"rows": (1, 4)}, 1, method="insights"),
)
EVERY_KIND = tuple(sorted((platform, kind) for platform, declared in platforms().items() for kind in declared.faults))


@dataclass(frozen=True)
class ApiFault:
    """A fault in a plan, with all its numbers."""

    recipe: Recipe
    times: int
    after: int
    account_id: str | None
    params: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        params = "".join(f" {name}={value}" for name, value in self.params)
        account = f" of {self.account_id}" if self.account_id else ""
        return f"{self.recipe.platform} {self.recipe.kind}{params} ×{self.times} after {self.after}{account}"

    def switch_on(self, sandbox: Sandbox) -> Fault:
        """Apply the fault to the sandbox."""
        return sandbox.faults.add(
            self.recipe.platform,
            self.recipe.kind,
            account_id=self.account_id,
            method=self.recipe.method,
            times=self.times,
            after=self.after,
            **dict(self.params),
        )


def draw(recipe: Recipe, chance: random.Random) -> ApiFault:
    """Draw a fault for this recipe."""
    account = chance.choice(ACCOUNTS[recipe.platform]) if recipe.one_account else None
    # Most runs make about seven requests per report, so a fault that waits longer would never occur. A fault that makes
    # a run wait forever comes after the others.
    after = chance.randint(16, 20) if recipe.costs == "time" else chance.randint(0, 1 if account else 4)
    return ApiFault(
        recipe,
        times=recipe.calls if recipe.calls != 2 else chance.randint(1, 2),
        after=after,
        account_id=account,
        params=tuple((name, chance.choice(values)) for name, values in sorted(recipe.choices.items())),
    )
