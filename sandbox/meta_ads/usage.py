"""Usage headers: how near to its limits an app and an account are, in the three forms that Graph sends."""

from __future__ import annotations

import json

_TIER = "standard_access"


def usage_headers(account_id: str | None, percent: int, regain_minutes: int = 0) -> dict[str, str]:
    """The headers at a percentage of the limits. `regain_minutes` is how long a throttled caller must wait."""
    if account_id is None:
        return {
            "x-app-usage": json.dumps({"call_count": percent, "total_cputime": percent // 2, "total_time": percent})
        }
    business = {
        account_id: [
            {
                "type": "ads_insights",
                "call_count": percent,
                "total_cputime": percent // 2,
                "total_time": percent // 2,
                "estimated_time_to_regain_access": regain_minutes,
                "ads_api_access_tier": _TIER,
            }
        ]
    }
    throttle = {"app_id_util_pct": percent, "acc_id_util_pct": percent, "ads_api_access_tier": _TIER}
    account = {
        "acc_id_util_pct": percent,
        "reset_time_duration": 60 * regain_minutes,
        "ads_api_access_tier": _TIER,
    }
    return {
        "x-business-use-case-usage": json.dumps(business),
        "x-fb-ads-insights-throttle": json.dumps(throttle),
        "x-ad-account-usage": json.dumps(account),
    }
