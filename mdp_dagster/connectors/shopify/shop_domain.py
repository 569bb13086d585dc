"""The id of a Shopify shop: its own domain, which never changes."""

from __future__ import annotations

from mdp_dagster.clients.account_id_pattern import AccountIdPattern

SUFFIX = ".myshopify.com"

SHOP_DOMAIN = AccountIdPattern(
    r"[a-z0-9][a-z0-9-]{0,99}\.myshopify\.com",
    form="the shop's own domain in small letters",
    example="my-shop.myshopify.com",
    prefix="https://",
)
