"""The declaration of Shopify."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mdp_dagster.connectors.shop_documents import ShopAccess, ShopReport, ShopRow, ShopSync
from mdp_dagster.connectors.shopify.settings import ShopifySettings
from mdp_dagster.connectors.shopify.shop_domain import SHOP_DOMAIN
from mdp_dagster.connectors.sources import Source


def _open_shop(domain: str) -> ShopSync:
    from mdp_dagster.connectors.shopify.connector import open_shop

    return open_shop(domain)


def _read_lines(report: ShopReport, lines: Iterable[bytes]) -> Iterator[ShopRow]:
    from mdp_dagster.connectors.shopify.rows import read_lines

    return read_lines(report, lines)


SOURCE = Source(
    name="shopify",
    label="Shopify",
    settings=ShopifySettings,
    account_id=SHOP_DOMAIN,
    shop=ShopAccess(open=_open_shop, read_lines=_read_lines),
    secret_names=("x-shopify-access-token", "[?&](?:x-goog-)?signature"),  # the address of a file is signed
    token_shapes=(r"\bshp(?:at|ca|pa|ss|ua|rt)_[A-Za-z0-9]{8,}",),  # access tokens, and the app's secret
)
