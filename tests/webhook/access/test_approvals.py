"""The two-person rule."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import A_STRATEGY, NOW, a_principal, a_resume_request, a_switch
from webhook.access.approvals import approve, expire, request, same_person, withdraw
from webhook.access.principal import Principal, Role
from webhook.access.refusal import Refusal
from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.access.roles import Verb, may
from webhook.killswitch.scope import GLOBAL
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch

QUARTER = timedelta(minutes=15)
BOB = a_principal("bob")


def asked(principal: Principal | None = None, switch: Switch | None = None, **changes: Any) -> ResumeRequest | Refusal:
    options = {"reason": "the feed is back", "request_id": "one", "now": NOW, "lifetime": QUARTER} | changes
    return request(principal or a_principal(), switch or a_switch(version=4), **options)


def code(answer: ResumeRequest | Refusal) -> str:
    assert isinstance(answer, Refusal)
    assert answer.message
    return answer.code


class TestARequest:
    def test_is_about_the_switch_as_it_is(self):
        assert asked() == ResumeRequest("one", A_STRATEGY, "alice", "the feed is back", NOW, NOW + QUARTER, 4)

    @pytest.mark.parametrize("role", [Role.TRADER, Role.RISK, Role.ADMIN])
    def test_may_come_from_who_trades_or_watches_risk(self, role: Role):
        assert isinstance(asked(a_principal(role=role)), ResumeRequest)

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.INTAKE])
    def test_may_not_come_from_others(self, role: Role):
        assert code(asked(a_principal(role=role))) == "forbidden"

    @pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001])
    def test_needs_a_reason(self, reason: str):
        assert code(asked(reason=reason)) == "invalid"

    def test_needs_something_to_resume(self):
        assert code(asked(switch=a_switch(State.NORMAL))) == "already"
        assert isinstance(asked(switch=a_switch(State.DEGRADED)), ResumeRequest)

    def test_is_the_only_one_that_waits_for_its_scope(self):
        other = a_resume_request(switch_version=4)

        assert code(asked(pending=[other])) == "already"

    @pytest.mark.parametrize(
        "changes",
        [
            {"scope": GLOBAL},
            {"switch_version": 3},
            {"expires_at": NOW},
            {"status": ResumeStatus.WITHDRAWN},
        ],
    )
    def test_is_not_kept_out_by_one_that_can_no_longer_be_approved(self, changes: dict[str, Any]):
        other = a_resume_request(**({"switch_version": 4} | changes))

        assert isinstance(asked(pending=[other]), ResumeRequest)


class TestAnApproval:
    def test_comes_from_another_person_in_time(self):
        before = a_resume_request()

        after = approve(before, BOB, a_switch(), NOW + QUARTER - timedelta(microseconds=1))

        assert isinstance(after, ResumeRequest)
        assert (after.status, after.approved_by) == (ResumeStatus.APPROVED, "bob")
        assert replace(after, status=before.status, approved_by=None, decided_at=None) == before

    @pytest.mark.parametrize("name", ["alice", "Alice", "ALICE", " alice ", "ａｌｉｃｅ"])  # noqa: RUF001 - full width
    def test_never_comes_from_who_asked_however_the_name_is_written(self, name: str):
        assert code(approve(a_resume_request(), a_principal(name), a_switch(), NOW)) == "same_person"

    @pytest.mark.parametrize("role", [Role.TRADER, Role.VIEWER, Role.INTAKE])
    def test_never_comes_from_who_may_not_approve(self, role: Role):
        assert code(approve(a_resume_request(), a_principal("bob", role), a_switch(), NOW)) == "forbidden"

    def test_comes_too_late_when_the_time_is_over(self):
        assert code(approve(a_resume_request(), BOB, a_switch(), NOW + QUARTER)) == "expired"

    @pytest.mark.parametrize(
        "switch",
        [a_switch(version=2), a_switch(scope=GLOBAL), a_switch(State.NORMAL, version=2)],
    )
    def test_is_void_when_the_switch_has_changed_since(self, switch: Switch):
        assert code(approve(a_resume_request(), BOB, switch, NOW)) == "void"

    @pytest.mark.parametrize(
        ("status", "expected"),
        [(ResumeStatus.APPROVED, "already"), (ResumeStatus.WITHDRAWN, "void"), (ResumeStatus.EXPIRED, "expired")],
    )
    def test_is_given_once(self, status: ResumeStatus, expected: str):
        assert code(approve(a_resume_request(status=status, approved_by="carol"), BOB, a_switch(), NOW)) == expected


class TestAWithdrawal:
    def test_is_for_who_asked_and_for_who_may_approve(self):
        for principal in (a_principal("alice", Role.TRADER), BOB):
            done = withdraw(a_resume_request(), principal, NOW)
            assert isinstance(done, ResumeRequest)
            assert (done.status, done.decided_at) == (ResumeStatus.WITHDRAWN, NOW)

    def test_is_not_for_others(self):
        assert code(withdraw(a_resume_request(), a_principal("bob", Role.TRADER), NOW)) == "forbidden"
        assert code(withdraw(a_resume_request(), a_principal("alice", Role.VIEWER), NOW)) == "forbidden"

    def test_of_what_is_decided_is_refused(self):
        assert code(withdraw(a_resume_request(status=ResumeStatus.APPROVED, approved_by="bob"), BOB, NOW)) == "already"


def test_a_request_that_nobody_approved_expires_once():
    waiting = a_resume_request()

    assert expire(waiting, NOW) is None
    expired = expire(waiting, NOW + QUARTER)
    assert expired.status is ResumeStatus.EXPIRED
    assert expire(expired, NOW + QUARTER) is None


@given(
    st.builds(Principal, st.sampled_from(["alice", "Bob", "bob ", "carol"]), st.sampled_from(Role)),
    st.builds(Principal, st.sampled_from(["Alice", "bob", "carol"]), st.sampled_from(Role)),
    st.integers(-1, 1),
    st.integers(0, 1800),
)
def test_nothing_is_approved_but_by_two_people_with_the_right_in_time_and_unchanged(
    one: Principal, other: Principal, drift: int, seconds: int
):
    first = asked(one, a_switch(version=4))
    if isinstance(first, Refusal):
        assert not may(one.role, Verb.REQUEST_RESUME)
        return

    answer = approve(first, other, a_switch(version=4 + drift), NOW + timedelta(seconds=seconds))

    right = may(other.role, Verb.APPROVE_RESUME) and not same_person(one.name, other.name)
    assert isinstance(answer, ResumeRequest) == (right and drift == 0 and seconds < 900)
