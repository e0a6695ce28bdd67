"""The HTTP client that edges share: deadlines, sizes, secrets, and what a failure means."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.local_server import LocalServer, Reply, local_server, took
from tests.venue_benches import closed_port
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.net.attempt import retry_after
from webhook.net.http import Outbound, describe

SECRET = "do-not-tell-this"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


@pytest.fixture
def client() -> Iterator[Outbound]:
    made = Outbound("pager", headers={"Authorization": f"Bearer {SECRET}"}, secrets=[SECRET], max_answer_bytes=1000)
    yield made
    made.close()


def test_it_sends_json_with_its_headers_and_gives_the_answer_back(server, client):
    server.answer = lambda _: Reply(201, {"ok": True}, {"X-Kind": "test"})
    answer = client.request("POST", f"{server.url}/x", timeout=2, body={"a": 1}, headers={"X-More": "2"})
    assert (answer.status, answer.json(), answer.headers["x-kind"]) == (201, {"ok": True}, "test")
    assert answer.seconds > 0
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.json) == ("POST", "/x", {"a": 1})
    assert (asked.headers["authorization"], asked.headers["x-more"]) == (f"Bearer {SECRET}", "2")


def test_an_error_status_is_an_answer_like_any_other(server, client):
    server.answer = lambda _: Reply(500, b"broken")
    assert client.request("GET", server.url, timeout=2).status == 500


def test_nobody_listening_is_an_outage(client):
    with pytest.raises(TemporaryError) as fault:
        client.request("POST", f"http://127.0.0.1:{closed_port()}/path-{SECRET}", timeout=2)
    assert not isinstance(fault.value, UnknownOutcomeError)
    assert fault.value.reason == "unreachable"
    assert SECRET not in str(fault.value)


def test_a_name_that_nobody_has_is_an_outage(client):
    with pytest.raises(TemporaryError) as fault:
        client.request("POST", "http://no-such-host.invalid/", timeout=2)
    assert not isinstance(fault.value, UnknownOutcomeError)


def test_silence_after_the_request_went_out_is_an_unknown_outcome(server, client):
    server.answer = lambda _: Reply(wait=30)
    started = time.monotonic()
    with pytest.raises(UnknownOutcomeError) as fault:
        client.request("POST", server.url, timeout=0.2)
    assert took(started) < 2
    assert fault.value.reason == "timeout"


def test_an_answer_that_drips_keeps_nobody_longer_than_the_timeout(server, client):
    server.answer = lambda _: Reply(body=b"x" * 500, drip=0.05)
    started = time.monotonic()
    with pytest.raises(UnknownOutcomeError):
        client.request("GET", server.url, timeout=0.3)
    assert took(started) < 2


def test_headers_that_drip_keep_nobody_longer_than_the_timeout(client):
    with dripping_headers() as url:
        started = time.monotonic()
        with pytest.raises(UnknownOutcomeError):
            client.request("GET", url, timeout=0.3)
        assert took(started) < 2


class dripping_headers:  # noqa: N801 - read as a phrase
    """A server that sends its headers byte by byte for as long as anybody listens."""

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                for _ in range(200):
                    connection.sendall(b"x")
                    time.sleep(0.02)
            except OSError:
                return


def test_a_connection_that_breaks_in_the_answer_is_an_unknown_outcome(server, client):
    server.answer = lambda _: Reply(body=b"x" * 500, cut=10)
    with pytest.raises(UnknownOutcomeError) as fault:
        client.request("POST", server.url, timeout=2)
    assert fault.value.reason == "connection_lost"


def test_a_connection_that_breaks_before_the_answer_is_an_unknown_outcome(server, client):
    server.answer = lambda _: Reply(status=0)
    with pytest.raises(UnknownOutcomeError):
        client.request("POST", server.url, timeout=2)
    assert len(server.asked) == 1


def test_a_kept_connection_that_was_just_closed_is_tried_once_more(server, client):
    client.request("GET", server.url, timeout=2)
    replies = [Reply(status=0), Reply(200, b"again")]
    server.answer = lambda _: replies.pop(0)
    assert client.request("POST", server.url, timeout=2).body == b"again"
    server.answer = lambda _: Reply(status=0)
    with pytest.raises(UnknownOutcomeError):
        client.request("POST", server.url, timeout=2)
    assert len(server.asked) == 5


def test_a_request_that_must_not_be_repeated_is_not(server, client):
    client.request("GET", server.url, timeout=2)
    server.answer = lambda _: Reply(status=0)
    with pytest.raises(UnknownOutcomeError):
        client.request("POST", server.url, timeout=2, idempotent=False)
    assert len(server.asked) == 2


def test_an_answer_that_is_too_large_is_not_read_to_its_end(server, client):
    server.answer = lambda _: Reply(body=b"x" * 5000)
    with pytest.raises(UnknownOutcomeError) as fault:
        client.request("GET", server.url, timeout=2)
    assert fault.value.reason == "too_large"


def test_a_redirect_is_not_followed(server, client):
    server.answer = lambda _: Reply(302, headers={"Location": f"{server.url}/elsewhere"})
    assert client.request("POST", f"{server.url}/here", timeout=2).status == 302
    assert [asked.path for asked in server.asked] == ["/here"]


@pytest.mark.parametrize("url", ["ftp://host/", "not-a-url", "http://", "http://host:99999/"])
def test_an_address_that_cannot_be_right_is_permanent(client, url):
    with pytest.raises((PermanentError, TemporaryError)) as fault:
        client.request("GET", url, timeout=2)
    assert not isinstance(fault.value, UnknownOutcomeError)


def test_a_header_that_cannot_be_right_is_permanent(server):
    client = Outbound("pager", headers={"Authorization": "Bearer a\nb"}, secrets=["a\nb"])
    with pytest.raises(PermanentError):
        client.request("GET", server.url, timeout=2)
    assert server.asked == []


def test_the_environment_gives_no_other_login(server, client, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.request("GET", server.url, timeout=2)
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"


def test_many_threads_may_use_one_client(server, client):
    server.answer = lambda asked: Reply(body=asked.path.encode())
    seen: dict[int, bytes] = {}

    def ask(number: int) -> None:
        seen[number] = client.request("GET", f"{server.url}/{number}", timeout=5).body

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: f"/{number}".encode() for number in range(30)}


def test_an_excerpt_is_short_one_line_and_without_secrets(server, client):
    server.answer = lambda _: Reply(400, f"no\nsuch   token: {SECRET} ".encode() + b"y" * 900)
    excerpt = client.excerpt(client.request("GET", server.url, timeout=2))
    assert excerpt.startswith("no such token: *** yyy")
    assert len(excerpt) == 200


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), ("3", 3.0), ("1.5", 1.5), ("-1", 0.0), ("soon", None),
                            ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)  # fmt: skip
def test_retry_after_is_read_in_both_its_forms(value, expected):
    assert retry_after(value) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://user:{SECRET}@host.example:8443/T/{SECRET}?key={SECRET}", "https://host.example:8443"),
        ("http://[::1", "(an invalid URL)"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url, expected):
    assert describe(url) == expected
