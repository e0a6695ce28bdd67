"""What Grafana is told at its start."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROVISIONING = ROOT / "grafana" / "provisioning"


def read(path: Path):
    return yaml.safe_load(path.read_text())


def test_data_sources_have_fixed_names_and_cannot_be_edited():
    sources = {source["uid"]: source for source in read(PROVISIONING / "datasources" / "andon.yml")["datasources"]}
    assert set(sources) == {"andon-prometheus", "andon-alertmanager"}
    assert all(source["editable"] is False and source["access"] == "proxy" for source in sources.values())
    prometheus = sources["andon-prometheus"]
    assert prometheus["isDefault"] is True
    assert prometheus["jsonData"]["alertmanagerUid"] == "andon-alertmanager"
    # Without it Grafana takes the Alertmanager for Mimir's.
    assert sources["andon-alertmanager"]["jsonData"]["implementation"] == "prometheus"


def test_rates_are_taken_over_at_least_four_slow_scrapes():
    sources = read(PROVISIONING / "datasources" / "andon.yml")["datasources"]
    interval = next(source["jsonData"]["timeInterval"] for source in sources if source["type"] == "prometheus")
    assert interval == read(ROOT / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]


def test_dashboards_come_from_files_and_stay_as_they_are():
    (provider,) = read(PROVISIONING / "dashboards" / "andon.yml")["providers"]
    assert provider["allowUiUpdates"] is False
    assert provider["disableDeletion"] is True
    compose = read(ROOT / "docker-compose.yml")["services"]["grafana"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in compose["volumes"]
    home = Path(compose["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / "grafana" / "dashboards" / home.name).is_file()


def test_no_rule_is_kept_in_grafana():
    assert not (PROVISIONING / "alerting").exists()
