"""The alerts of a night, between the step that finds them and the one that sends them."""

from __future__ import annotations

from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert, dump_alerts, load_alerts


def test_alerts_survive_their_way_through_dagsters_event_log() -> None:
    alerts = [ShopAlert(cause, "my-shop.myshopify.com", "ça a échoué", "run again") for cause in AlertCause]
    assert load_alerts(dump_alerts(alerts)) == alerts
    assert str(alerts[0]) == "my-shop.myshopify.com: ça a échoué → run again"
