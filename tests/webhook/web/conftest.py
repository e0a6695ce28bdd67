import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.builders import a_payload
from tests.rig import Rig, a_rig
from tests.web_app import app_of
from webhook.access.operators import add_operator
from webhook.access.principal import Role

INTAKE = "a-token-of-more-than-sixteen-characters"
ROLES = {"vic": Role.VIEWER, "tom": Role.TRADER, "rita": Role.RISK, "rob": Role.RISK, "ada": Role.ADMIN}


@dataclass
class Desk:
    """A running service, its app, and everybody's tokens."""

    rig: Rig
    http: FlaskClient
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(self, who: str | None, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """One request as *who* (None: without a token)."""
        headers = options.pop("headers", {})
        if who is not None:
            headers = {"Authorization": f"Bearer {self.tokens.get(who, who)}"} | headers
        if isinstance(body, bytes):
            options.setdefault("content_type", "application/json")
            return self.http.open(path, method=method, data=body, headers=headers, **options)
        return self.http.open(path, method=method, json=body, headers=headers, **options)

    def deliver(self, body: Any, **options: Any) -> Any:
        """As Alertmanager."""
        return self.ask("alertmanager", "POST", "/api/v1/alerts", body, **options)

    def lose_the_store(self) -> None:
        """Take the disk away beneath the service."""
        self.rig.assembly.commit.store.close()
        for file in self.folder.glob("andon.db*"):
            file.rename(file.with_suffix(file.suffix + ".gone"))
        (self.folder / "andon.db").mkdir()

    def count(self, series: str) -> float:
        """The value of one series in /metrics; 0 when it is not there."""
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return 0.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from open_desk(tmp_path)


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """For tests that leave nothing behind."""
    yield from open_desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def shadow_desk(tmp_path: Path) -> Iterator[Desk]:
    """A service in shadow mode: nothing is sent to anybody."""
    yield from open_desk(tmp_path, mode="shadow")


def open_desk(folder: Path, **changes: Any) -> Iterator[Desk]:
    operators = folder / "operators.json"
    operators.write_text(json.dumps({"operators": []}))
    operators.chmod(0o600)
    tokens = {name: add_operator(operators, name, role, None) for name, role in ROLES.items()}
    with a_rig(folder, **changes) as rig:
        yield Desk(rig, app_of(rig).test_client(), folder, tokens | {"alertmanager": INTAKE})


A_PAYLOAD = a_payload()
