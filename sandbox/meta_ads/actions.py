"""Actions: one purchase is under several action types at once, as in Graph's `actions` and `action_values`."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.rows import CampaignDay

# Meta counts a purchase on its own day, and shows these shares of a day's purchases on the day, and one, two and three
# days later. Believed, not measured: the source for "within about three days" is experience, not documentation.
SHOWN_BY_AGE = (0.80, 0.93, 0.98, 1.0)

# Graph's default is a click within seven days or a view within one; the other windows exist in addition.
WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")


@dataclass(slots=True)
class Activity:
    """The sums of a level over some days: `spend` and `values` in hundredths, `reach` before deduplication."""

    impressions: int = 0
    clicks: int = 0
    spend: int = 0
    reach: int = 0
    link_clicks: int = 0
    days: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)

    def add(self, row: CampaignDay) -> None:
        """Adds a campaign's day to the sums."""
        metrics = row.metrics
        self.impressions += metrics.impressions
        self.clicks += metrics.clicks
        self.spend += metrics.spend
        self.reach += metrics.impressions * 10 // (11 + row.campaign.id % 5)
        self.link_clicks += link_clicks(metrics.clicks)
        self.days += 1
        conversions = _conversions(row)
        _add(self.actions, _counts(link_clicks(metrics.clicks), conversions))
        _add(self.values, _values(row, conversions))


def _add(sums: dict[str, int], amounts: dict[str, int]) -> None:
    for action, amount in amounts.items():
        if amount:  # a type without any action is left out
            sums[action] = sums.get(action, 0) + amount


def link_clicks(clicks: int) -> int:
    """The link clicks among all clicks. The others are reactions, comments and clicks on the profile."""
    return clicks * 4 // 5


def _counts(links: int, conversions: dict[str, int]) -> dict[str, int]:
    """All actions by type: what leads to a conversion, and the conversions."""
    bought = max(conversions.values())
    return {
        "link_click": links,
        "landing_page_view": links * 7 // 10,
        "post_engagement": links + links // 3,
        "page_engagement": links + links // 3,
        "view_content": links // 2,
        "add_to_cart": bought * 3,
        "omni_add_to_cart": bought * 3,
        **conversions,
    }


def _values(row: CampaignDay, conversions: dict[str, int]) -> dict[str, int]:
    """Value in hundredths by action type, of the conversions only."""
    if row.account.conversion == "lead":  # leads have no value, what they buy has
        return {action: 3900 * count for action, count in conversions.items() if "purchase" in action}
    whole, total = row.metrics.conversions // 100, row.metrics.conversion_value
    return {action: total * count // whole for action, count in conversions.items()} if whole else {}


def _conversions(row: CampaignDay) -> dict[str, int]:
    count = row.metrics.conversions // 100
    match row.account.conversion:
        case "lead":
            # A few of the leads buy something: code that sums or guesses action types would count these.
            bought = row.metrics.clicks // 300
            return {
                "lead": count,
                "offsite_conversion.fb_pixel_lead": count // 2,
                "onsite_conversion.lead_grouped": count - count // 2,
                "omni_purchase": bought,
                "purchase": bought,
            }
        case "purchase":
            return {
                "purchase": count,
                "offsite_conversion.fb_pixel_purchase": count,
                "onsite_web_purchase": count,
            }
        case _:
            in_store = count // 10
            return {
                "omni_purchase": count,
                "web_in_store_purchase": count,
                "purchase": count - in_store,
                "onsite_web_purchase": count - in_store,
                "onsite_web_app_purchase": count - in_store,
                "offsite_conversion.fb_pixel_purchase": count - in_store,
            }


def in_window(amount: int, window: str) -> int:
    """The part of an amount that an attribution window counts."""
    by_click = amount - amount // 6
    return {
        "7d_click": by_click,
        "1d_view": amount // 6,
        "1d_click": by_click * 7 // 10,
        "28d_click": amount,
    }[window]
