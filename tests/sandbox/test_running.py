"""Running the sandbox: the control address, the command, several sandboxes, and the clients file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from google.ads.googleads.client import GoogleAdsClient

from sandbox import Faults, Sandbox, World
from sandbox.certificates import server_certificate
from sandbox.google_ads.query import clients_of
from sandbox.platforms import platforms
from sandbox.shopify.shops import SHOPS
from sandbox.world import normal_id
from tests.support.clock import python_path
from tests.support.limits import HANG_SECONDS
from tests.support.sandbox_clients import META_SALES, NORDLICHT, NOW, Ads, Graph

ROOT = Path(__file__).parents[2]
PURE_QUERY = "SELECT segments.date, metrics.clicks FROM customer WHERE segments.date = '2026-11-01'"


def _control(sandbox: Sandbox, method: str, path: str, **body: Any) -> Any:
    kind = "params" if method == "GET" else "json"
    answer = requests.request(method, f"{sandbox.url}/_sandbox/{path}", timeout=HANG_SECONDS, **{kind: body or None})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_another_process_can_switch_faults(sandbox: Sandbox, graph: Graph) -> None:
    _control(sandbox, "POST", "faults", platform="meta_ads", kind="slow", account_id=META_SALES, times=2, delay_s=0)
    (fault,) = _control(sandbox, "GET", "faults")
    assert fault["kind"] == "slow" and fault["params"] == {"delay_s": 0}
    graph(f"act_{META_SALES}")
    assert _control(sandbox, "GET", "faults")[0]["hits"] == 1
    _control(sandbox, "DELETE", "faults")
    assert _control(sandbox, "GET", "faults") == []


def test_another_process_can_change_days_and_time(sandbox: Sandbox, ads: Ads) -> None:
    day = {"platform": "google_ads", "account_id": "412-308-7751", "day": "2026-11-01"}
    before = sandbox.world.truth("google_ads", date(2026, 11, 1), date(2026, 11, 2), account_ids=[NORDLICHT])
    assert ads(PURE_QUERY)
    _control(sandbox, "POST", "empty_day", **day)
    assert not ads(PURE_QUERY)
    row = {"campaign_id": before[0]["campaign_id"], "impressions": 100, "clicks": 7, "spend": 350}
    _control(sandbox, "POST", "add_rows", **day, rows=[row])
    assert [row.metrics.clicks for row in ads(PURE_QUERY)] == [7]
    _control(sandbox, "POST", "restate", **day, factor=3, metrics=["clicks"])
    assert [row.metrics.clicks for row in ads(PURE_QUERY)] == [21]
    truth = _control(sandbox, "GET", "truth", platform="google_ads", start="2026-11-01", end="2026-11-02")
    assert [t["spend"] for t in truth if t["account_id"] == NORDLICHT] == ["3.50"]
    _control(sandbox, "POST", "add_rows", **day)
    _control(sandbox, "DELETE", "edits")
    assert _control(sandbox, "POST", "now", advance_days=2) == (NOW + timedelta(days=2)).isoformat()
    assert _control(sandbox, "POST", "now", now="2026-12-01T06:00:00Z") == "2026-12-01T06:00:00+00:00"
    assert sandbox.world.now.month == 12 and _control(sandbox, "GET", "now").startswith("2026-12-01")


def test_another_process_can_list_the_requests(sandbox: Sandbox, ads: Ads, graph: Graph) -> None:
    ads(PURE_QUERY)
    graph(f"act_{META_SALES}", "campaigns")
    log = _control(sandbox, "GET", "requests")
    assert log["total"] == 2
    assert {(c["platform"], c["method"], c["account_id"], c["count"]) for c in log["counts"]} == {
        ("google_ads", "search_stream", NORDLICHT, 1),
        ("meta_ads", "campaigns", META_SALES, 1),
    }
    assert log["last"][0]["query"] == PURE_QUERY
    _control(sandbox, "DELETE", "requests")
    assert sandbox.requests.count() == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"platform": "meta_ads", "kind": "earthquake"}),
        ("faults", {}),
        ("restate", {"platform": "google_ads"}),
        ("empty_day", {"platform": "google_ads", "account_id": "1", "day": "2026-11-01"}),
        ("empty_day", {"platform": "google_ads", "account_id": NORDLICHT, "day": "soon"}),
        ("now", {"now": "soon"}),
    ],
)
def test_errors_name_the_mistake(sandbox: Sandbox, path: str, body: dict[str, Any]) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/{path}", json=body, timeout=HANG_SECONDS)
    assert answer.status_code == 400 and answer.json()["error"]


def test_a_fault_affects_the_named_account_the_given_number_of_times() -> None:
    faults = Faults()
    faults.add("meta_ads", "slow", account_id="act_1", method="insights", times=2, after=1)

    def hit(account: str = "1", method: str = "insights", platform: Any = "meta_ads") -> bool:
        return faults.take(platform, ("slow",), account_id=account, method=method) is not None

    assert [hit(account="2"), hit(method="run"), hit(platform="google_ads")] == [False] * 3
    assert [hit() for _ in range(5)] == [False, True, True, False, False]
    assert faults.active() == []
    with pytest.raises(ValueError, match="no fault 'earthquake'"):
        faults.add("google_ads", "earthquake")
    with pytest.raises(ValueError, match="quota has no delay: delay_s"):
        faults.add("google_ads", "quota", delay=5)


def test_parallel_requests_meet_a_fault_exactly_the_given_number_of_times() -> None:
    faults = Faults()
    faults.add("google_ads", "internal", times=50)
    hits: list[object] = []

    def work() -> None:
        hits.extend(faults.take("google_ads", ("internal",), account_id=None, method="search") for _ in range(40))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(hit is not None for hit in hits) == 50


def test_both_servers_answer_parallel_requests(sandbox: Sandbox, ads: Ads, graph: Graph) -> None:
    week = {"level": "campaign", "time_increment": 1, "date_preset": "last_7d", "limit": 500}
    alone = len(ads(PURE_QUERY)), graph(f"act_{META_SALES}", "insights", **week)

    def both(number: int) -> tuple[int, dict[str, Any]]:
        sandbox.world.restate("google_ads", NORDLICHT, date(2026, 1, 1 + number), factor=2)
        return len(ads(PURE_QUERY)), graph(f"act_{META_SALES}", "insights", **week)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert list(pool.map(both, range(24))) == [alone] * 24


def test_certificates_are_used_again_while_they_are_valid(tmp_path: Path) -> None:
    first = server_certificate(tmp_path)
    assert server_certificate(tmp_path) == first
    (tmp_path / "server-key.pem").write_text("broken")
    assert server_certificate(tmp_path).key != first.key
    assert (tmp_path / "server-key.pem").stat().st_mode & 0o077 == 0


def test_two_sandboxes_can_share_a_directory(sandbox: Sandbox) -> None:
    with Sandbox(World(seed=8, now=NOW), sandbox.state_dir) as other:
        assert other.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"] != sandbox.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"]
        client = GoogleAdsClient.load_from_dict(
            {
                "use_proto_plus": False,
                "developer_token": other.env["GOOGLE_ADS_DEVELOPER_TOKEN"],
                "json_key_file_path": other.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"],
                "endpoint": other.env["GOOGLE_ADS_ENDPOINT"],
            },
            version="v26",
        )
        service = client.get_service("GoogleAdsService")
        batches = service.search_stream(customer_id=NORDLICHT, query=PURE_QUERY)
        served = [row.metrics.clicks for batch in batches for row in batch.results]
    assert served and served != [
        sum(row["clicks"] for row in sandbox.world.truth("google_ads", date(2026, 11, 1), date(2026, 11, 2)))
    ]


def test_the_servers_listen_on_this_machine_only(sandbox: Sandbox) -> None:
    assert sandbox.url.startswith("http://127.0.0.1:")
    listening = re.findall(
        r"^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:0000 0A ",
        Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text(),
        re.MULTILINE,
    )
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
    files = sandbox.servers["shopify"].files.url
    for port in (
        sandbox.servers["google_ads"].grpc.port,
        *(int(url.rpartition(":")[2]) for url in (sandbox.url, files)),
    ):
        addresses = {address for address, number in listening if int(number, 16) == port}
        assert addresses
        assert addresses <= loopback


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    env_file = tmp_path / "sandbox.env"
    command = [sys.executable, "-m", "sandbox", "--state-dir", str(tmp_path / "state")]
    started = time.perf_counter()
    process = subprocess.Popen(
        [
            *command,
            "--env-file",
            str(env_file),
            "--seed",
            "3",
            "--now",
            "2026-11-20T12:00:00+00:00",
            "--option",
            "shopify.orders_per_day=9",
            "--option",
            "shopify.opened=2026-11-01",
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": python_path(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        while not env_file.exists():
            assert process.poll() is None and time.perf_counter() - started < HANG_SECONDS
            time.sleep(0.02)
        settings = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
        assert set(settings) >= {
            "GOOGLE_ADS_ENDPOINT",
            "GOOGLE_ADS_JSON_KEY_FILE_PATH",
            "GOOGLE_ADS_DEVELOPER_TOKEN",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
            "META_GRAPH_URL",
            "META_ACCESS_TOKEN",
            "META_APP_ID",
            "META_APP_SECRET",
            "SHOPIFY_API_URL",
            "SHOPIFY_CLIENT_ID",
            "SHOPIFY_CLIENT_SECRET",
            "no_proxy",
        }
        answer = requests.get(
            f"{settings['META_GRAPH_URL']}/_sandbox/truth",
            params={"platform": "google_ads", "start": "2026-11-01", "end": "2026-11-02"},
            timeout=HANG_SECONDS,
        ).json()
        truth = World(seed=3, now=NOW).truth("google_ads", date(2026, 11, 1), date(2026, 11, 2))
        assert [row["clicks"] for row in answer] == [row["clicks"] for row in truth]
        shop = {"shop": "harborline-home.myshopify.com", "table": "shop_daily"} | {
            "start": "2026-10-30",
            "end": "2026-11-20",
        }
        days = requests.get(f"{settings['META_GRAPH_URL']}/_sandbox/shopify/truth", shop, timeout=HANG_SECONDS).json()
        assert days[0]["jour"] >= "2026-10-31" and all(day["commandes"] < 40 for day in days)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=HANG_SECONDS) == 0
        assert process.stdout and "Graph API" in process.stdout.read()
    finally:
        process.kill()
        process.wait()


def test_the_clients_file_lists_exactly_the_accounts_of_the_sandbox() -> None:
    clients = yaml.safe_load((ROOT / "config" / "clients.yaml").read_text(encoding="utf-8"))["clients"]
    world = World(now=NOW)
    listed: dict[tuple[str, str], str] = {}
    shops = {shop.domain: shop.client_id for shop in SHOPS}
    for client in clients:
        assert all(shops[domain] == client["id"] for domain in client["accounts"].pop("shopify", []))
        for platform, entries in client["accounts"].items():
            for entry in entries:
                id_ = entry["id"] if isinstance(entry, dict) else entry
                account = world.account(platform, id_)
                assert account is not None, id_
                configured = entry.get("conversion_action_type") if isinstance(entry, dict) else None
                assert configured == account.conversion_action_type
                for member in clients_of(world, account) if platform == "google_ads" else [None]:
                    one = member.account if member else account
                    if one.serves_ads:
                        listed[platform, one.id] = client["id"]
    assert listed == {
        (account.platform, account.id): account.client_id
        for platform in platforms()
        for account in world.accounts(platform)
        if account.serves_ads
    }


def test_account_ids_can_be_written_in_several_ways() -> None:
    assert {normal_id("google_ads", text) for text in ("412-308-7751", "4123087751")} == {"4123087751"}
    assert normal_id("meta_ads", "act_301400000000101") == "301400000000101"


def test_the_sandbox_imports_nothing_else_of_the_project() -> None:
    code = (
        "import sys, sandbox, sandbox.__main__;"
        "print([m for m in sys.modules if m.startswith('mdp_dagster.') and 'sandbox' not in m]"
        " + [m for m in sys.modules if m.startswith(('google.ads', 'facebook_business'))])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=HANG_SECONDS
    )
    assert answer.stdout.strip() == "[]"
