"""Sums of sales, and the columns that show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sandbox.shopify.facts import Charge, Event

Row = dict[str, Any]


@dataclass(slots=True)
class Sums:
    """Sums in hundredths, and the orders and customers behind them."""

    gross: int = 0
    discounts: int = 0
    returns: int = 0
    shipping: int = 0
    product_taxes: int = 0
    taxes: int = 0
    tips: int = 0
    fees: int = 0
    gift_cards: int = 0
    sold: int = 0
    returned: int = 0
    placed: int = 0
    orders: set[int] = field(default_factory=set)
    customers: set[int] = field(default_factory=set)
    new_customers: set[int] = field(default_factory=set)
    guests: set[int] = field(default_factory=set)

    @property
    def net(self) -> int:
        """The net sales of products."""
        return self.gross - self.discounts - self.returns

    def add(self, event: Event, charge: Charge) -> None:
        """Adds the money of a charge."""
        signed_net, signed_tax = charge.sign * charge.net, charge.sign * charge.tax
        self.taxes += signed_tax
        match charge.line_type:
            case "PRODUCT":
                self.product_taxes += signed_tax
                if charge.action == "RETURN":
                    self.returns += charge.net
                    self.returned += charge.quantity or 0
                else:
                    self.gross += charge.gross
                    self.discounts += charge.discount
                    self.sold += charge.quantity or 0
                    if event.reason == "ORDER":
                        self.placed += charge.net
            case "SHIPPING":
                self.shipping += signed_net
            case "TIP":
                self.tips += signed_net
            case "GIFT_CARD":
                self.gift_cards += signed_net
            case _:
                self.fees += signed_net


def money_columns(found: Sums) -> Row:
    """Returns the amounts of products by the names of the columns."""
    return {
        "ca_brut": amount(found.gross),
        "remises": amount(found.discounts),
        "retours": amount(found.returns),
        "ca_net": amount(found.net),
    }


def figures(found: Sums) -> Row:
    """Returns the figures that a day and a place have in common, by the names of the columns."""
    return {
        "commandes": len(found.orders),
        "clients": len(found.customers),
        "nouveaux_clients": len(found.new_customers),
        "commandes_invites": len(found.guests),
        "unites": found.sold,
        **money_columns(found),
        "livraison": amount(found.shipping),
        "taxes": amount(found.taxes),
        "pourboires": amount(found.tips),
        "frais": amount(found.fees),
        "cartes_cadeaux": amount(found.gift_cards),
        "non_classe": amount(0),
        "ca_total": amount(found.net + found.shipping + found.taxes + found.fees),
        "ca_des_commandes": amount(found.placed),
        "panier_moyen": ratio(found.placed, 100 * len(found.orders)),
    }


def amount(hundredths: int) -> Decimal:
    """Returns an amount with two places."""
    return Decimal(hundredths).scaleb(-2)


def ratio(numerator: int, denominator: int) -> Fraction | None:
    """Returns an exact rate; None if it is one of nothing."""
    return Fraction(numerator, denominator) if denominator else None
