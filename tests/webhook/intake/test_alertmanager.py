"""Reading what Alertmanager posts: no body crashes it, and no bad alert loses a good one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, a_body, a_payload, an_alert_entry, some_labels
from webhook.intake.alert import AlertStatus, IntakeError, Limits, fingerprint
from webhook.intake.alertmanager import parse

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def only_alert(**changes: Any):
    batch = parse(a_body(an_alert_entry(**changes)))
    assert batch.malformed == ()
    (alert,) = batch.alerts
    return alert


def only_problem(**changes: Any) -> str:
    batch = parse(a_body(an_alert_entry(), an_alert_entry(**changes)))
    assert len(batch.alerts) == 1
    (problem,) = batch.malformed
    assert (problem.index, problem.reason) == (1, "bad_field")
    return problem.message


def refused(body: bytes, **options: Any) -> IntakeError:
    with pytest.raises(IntakeError) as caught:
        parse(body, **options)
    return caught.value


class TestABatch:
    def test_holds_the_alerts_and_where_they_came_from(self):
        batch = parse(a_body(an_alert_entry(), truncatedAlerts=3))

        assert (batch.receiver, batch.truncated, batch.source) == ("kill", 3, "alertmanager")
        assert batch.group_key.startswith("{}/")
        (alert,) = batch.alerts
        assert alert.name == "TradingDrawdownBreached"
        assert alert.labels == some_labels()
        assert alert.annotations["summary"] == "drawdown 12 %"

    def test_takes_the_status_of_each_alert_and_not_of_the_group(self):
        resolved = an_alert_entry(status="resolved", endsAt="2026-11-22T10:05:00Z")

        batch = parse(a_body(an_alert_entry(), resolved, status="firing"))

        assert [alert.status for alert in batch.alerts] == [AlertStatus.FIRING, AlertStatus.RESOLVED]

    def test_ignores_what_newer_versions_add_and_older_ones_lack(self):
        entry = an_alert_entry(generatorURL=None, fingerprint=None, annotations=None, novelty={"deep": [1]})
        body = a_body(
            entry,
            notification_reason="repeat interval elapsed",
            routeLabels={},
            externalURL=None,
            groupLabels=None,
            truncatedAlerts=None,
            receiver=None,
            groupKey=None,
        )

        batch = parse(body)

        assert (batch.receiver, batch.group_key, batch.truncated, batch.malformed) == ("", "", 0, ())
        assert batch.alerts[0].annotations == {}

    def test_may_be_empty(self):
        assert parse(json.dumps(a_payload() | {"alerts": []}).encode()).alerts == ()

    @pytest.mark.parametrize("group", [None, 4, ["a"], {"a": 1}])
    def test_does_not_fail_for_group_fields_that_are_only_journalled(self, group: Any):
        assert len(parse(a_body(receiver=group, groupKey=group)).alerts) == 1

    @pytest.mark.parametrize("count", ["3", -1, 1.5, True])
    def test_says_so_when_the_count_of_missing_alerts_cannot_be_read(self, count: Any):
        batch = parse(a_body(truncatedAlerts=count))

        assert [(problem.index, problem.reason) for problem in batch.malformed] == [(-1, "bad_field")]
        assert len(batch.alerts) == 1


class TestAWholeBody:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "not_json"),
            (b"{", "not_json"),
            (b'{"version": "4"', "not_json"),
            (b"\xff\xfe", "not_utf8"),
            (b'{"version": "4", "receiver": "\xff"}', "not_utf8"),
            (b"[]", "not_object"),
            (b"null", "not_object"),
            (b'"4"', "not_object"),
            (b"NaN", "not_object"),
            (b"{}", "wrong_version"),
            (b'{"version": 4}', "wrong_version"),
            (b'{"version": "3", "alerts": []}', "wrong_version"),
            (b'{"version": "4"}', "bad_field"),
            (b'{"version": "4", "alerts": {}}', "bad_field"),
            (b"[" * 100_000, "too_deep"),
            (b'{"version":"4","alerts":' + b'{"a":' * 50_000, "too_deep"),
            (b'{"version": "4", "alerts": ' + b"9" * 100_000 + b"}", "not_json"),
        ],
    )
    def test_is_refused_with_a_reason_when_it_is_of_no_use(self, body: bytes, reason: str):
        assert refused(body).reason == reason

    def test_that_is_cut_anywhere_is_refused(self):
        body = a_body()

        for length in range(len(body)):
            assert refused(body[:length]).reason == "not_json"

    def test_has_a_limit_of_alerts(self):
        body = a_body(*[an_alert_entry()] * 3)

        assert len(parse(body, limits=Limits(max_alerts=3)).alerts) == 3
        error = refused(body, limits=Limits(max_alerts=2))
        assert error.reason == "too_many_alerts"
        assert "intake.max_alerts" in str(error)

    @given(st.binary(max_size=200))
    def test_of_any_bytes_is_refused_and_never_crashes(self, body: bytes):
        with pytest.raises(IntakeError):
            parse(body)

    @given(ANY_JSON)
    def test_with_anything_in_place_of_an_alert_still_gives_the_good_one(self, anything: Any):
        body = json.dumps(a_payload() | {"alerts": [anything, an_alert_entry()]}).encode()

        assert an_alert_entry()["labels"] in [alert.labels for alert in parse(body).alerts]

    @given(st.sampled_from(["status", "labels", "annotations", "startsAt", "endsAt"]), ANY_JSON)
    def test_with_anything_in_place_of_a_field_still_gives_the_good_one(self, name: str, anything: Any):
        body = json.dumps(a_payload(an_alert_entry() | {name: anything}, an_alert_entry())).encode()

        batch = parse(body)

        assert len(batch.alerts) + len(batch.malformed) == 2
        assert batch.alerts


class TestAnAlertThatCannotBeRead:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"status": "pending"}, 'alerts[1].status must be "firing" or "resolved"'),
            ({"status": None}, 'alerts[1].status must be "firing" or "resolved"'),
            ({"status": ["firing"]}, 'alerts[1].status must be "firing" or "resolved"'),
            ({"labels": None}, "alerts[1].labels must be an object of strings, not null"),
            ({"labels": ["a"]}, "alerts[1].labels must be an object of strings, not an array"),
            ({"labels": {"alertname": "A", "x": 1}}, "alerts[1].labels.x must be a string, not a number"),
            ({"labels": {"alertname": "A", "x": True}}, "alerts[1].labels.x must be a string, not a boolean"),
            ({"labels": {"x": "1"}}, "alerts[1].labels.alertname is missing"),
            ({"labels": {"alertname": ""}}, "alerts[1].labels.alertname is missing"),
            ({"labels": {"alertname": "A", "": "x"}}, "alerts[1].labels has a name that is empty"),
            ({"annotations": "none"}, "alerts[1].annotations must be an object of strings, not a string"),
            ({"startsAt": None}, "alerts[1].startsAt is missing"),
            ({"startsAt": "0001-01-01T00:00:00Z"}, "alerts[1].startsAt is missing"),
            ({"startsAt": 17}, "alerts[1].startsAt must be a time like"),
            ({"startsAt": "yesterday"}, "alerts[1].startsAt must be a time like"),
            ({"startsAt": "2026-02-30T00:00:00Z"}, "alerts[1].startsAt is not a time that exists"),
            ({"startsAt": "2026-02-03T00:00:00"}, "alerts[1].startsAt must be a time like"),
            ({"endsAt": "never"}, "alerts[1].endsAt must be a time like"),
        ],
    )
    def test_is_named_with_what_would_be_right_and_loses_no_other(self, changes: dict[str, Any], message: str):
        assert message in only_problem(**changes)

    def test_does_not_show_what_its_annotations_say(self):
        assert "secret" not in only_problem(annotations={"token": ["secret"]})

    def test_may_have_too_many_or_too_long_labels(self):
        entry = an_alert_entry()
        for limits in (Limits(max_labels=2), Limits(max_value_length=5), Limits(max_name_length=3)):
            batch = parse(a_body(entry), limits=limits)
            assert batch.alerts == ()
            assert [problem.reason for problem in batch.malformed] == ["bad_field"]


class TestLabelsAndAnnotations:
    def test_an_empty_label_is_no_label(self):
        with_empty, without = some_labels() | {"region": ""}, some_labels()

        alert = only_alert(labels=with_empty)

        assert alert.labels == without
        assert alert.fingerprint == fingerprint(without)

    def test_what_no_store_can_hold_is_replaced_and_the_alert_kept(self):
        body = a_body().replace(b"drawdown 12 %", b"a\\ud800b\\u0000c \\ud83d\\ude00")

        (alert,) = parse(body).alerts

        assert alert.annotations["summary"] == "a\ufffdb\ufffdc 😀"

    def test_a_long_annotation_is_cut(self):
        alert = parse(a_body(), limits=Limits(max_annotation_length=8)).alerts[0]

        assert alert.annotations["summary"] == "drawdown…"

    def test_the_fingerprint_depends_on_every_label_and_on_nothing_else(self):
        one = only_alert(annotations={"summary": "x"}, startsAt="2026-11-22T09:00:00Z", fingerprint="ffff")
        two = only_alert(labels=dict(reversed(some_labels().items())))
        other = only_alert(labels=some_labels(strategy="trend-btc"))

        assert one.fingerprint == two.fingerprint != other.fingerprint
        assert len(one.fingerprint) == 16

    @given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=3), st.data())
    def test_different_labels_never_share_a_fingerprint_by_how_they_are_joined(self, labels: dict[str, str], data: Any):
        other = data.draw(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=3))

        assert (fingerprint(labels) == fingerprint(other)) == (labels == other)


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-22T10:00:00.123456Z", NOW),
            ("2026-11-22T10:00:00.123456999Z", NOW),
            ("2026-11-22t10:00:00.123456z", NOW),
            ("2026-11-22T15:45:00.123456+05:45", NOW),
            ("2026-11-22T02:00:00.123456789-08:00", NOW),
            ("2026-11-22T10:00:00Z", NOW.replace(microsecond=0)),
            ("2026-11-22T10:00:00.1Z", NOW.replace(microsecond=100000)),
        ],
    )
    def test_are_read_in_every_form_of_rfc_3339(self, text: str, expected: datetime):
        assert only_alert(startsAt=text).starts_at == expected
        assert only_alert(startsAt=text).starts_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("zero", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "", None])
    def test_of_the_year_one_mean_none(self, zero: str | None):
        assert only_alert(status="resolved", endsAt=zero).ends_at is None

    def test_a_firing_alert_has_no_end(self):
        assert only_alert(endsAt="2026-11-22T10:05:00Z").ends_at is None

    def test_a_resolved_alert_has_one(self):
        alert = only_alert(status="resolved", endsAt="2026-11-22T10:05:00.5Z")

        assert alert.ends_at == datetime(2026, 11, 22, 10, 5, 0, 500000, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:59", "2026-11-22T10:00:00+99:00", "2026-11-22T10:00:60Z"])
    def test_that_cannot_be_kept_are_refused(self, text: str):
        assert "is not a time" in only_problem(startsAt=text)

    @given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
    def test_come_back_as_they_were_written(self, moment: datetime):
        moment = moment.replace(tzinfo=UTC)

        assert only_alert(startsAt=moment.isoformat().replace("+00:00", "Z")).starts_at == moment
