"""The system exporter's part of the configuration."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from exporters.section import Listen, Name, Seconds, Section, Url, UrlPath


class Process(Section):
    """A process that must run: found by part of its ``cmdline`` or a ``pid_file``, or asked at ``health_url``.

    With ``health_url`` that alone decides whether it is up; its start time is ``started_at`` of the JSON at
    ``status_url``, ``process_start_time_seconds`` of the page at ``metrics_url``, or what the process table says.
    """

    name: Name
    cmdline: str | None = Field(default=None, min_length=3)
    pid_file: Path | None = None
    health_url: Url | None = None
    status_url: Url | None = None
    metrics_url: Url | None = None

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.cmdline is None and self.pid_file is None and self.health_url is None:
            raise ValueError("name one of cmdline, pid_file and health_url")
        if self.cmdline is not None and self.pid_file is not None:
            raise ValueError("name only one of cmdline and pid_file")
        if self.health_url is None and (self.status_url or self.metrics_url):
            raise ValueError("status_url and metrics_url go with health_url")
        return self


class ProbedVenue(Section):
    """A venue whose way is measured; ``time_path`` answers ``{"serverTime": milliseconds}``."""

    venue: Name
    url: Url
    time_path: UrlPath = "/fapi/v1/time"


class Ntp(Section):
    """Time servers, each a host or ``host:port``; nobody is asked unless one is named."""

    servers: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:_-]+(:[0-9]{1,5})?$")], ...] = Field(
        default=(), max_length=16
    )
    every_seconds: Annotated[float, Field(ge=1, le=86_400)] = 64.0


class Database(Section):
    """A PostgreSQL database, as libpq wants it (``host=db dbname=orders user=andon`` or a URL); a role that may only
    read statistics is enough (``GRANT pg_monitor TO andon``).  The password is in ``password_file``.
    """

    name: Name
    conninfo: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    password_file: Path | None = None

    @field_validator("conninfo")
    @classmethod
    def _without_secret(cls, conninfo: str) -> str:
        head, _, _ = conninfo.partition("@")
        _, _, user = head.partition("://")
        if "password" in conninfo.lower() or (conninfo != head and ":" in user):
            raise ValueError("a password belongs into password_file")
        return conninfo.replace("postgresql+psycopg://", "postgresql://", 1)

    def password(self) -> str | None:
        """The password; raises OSError or ValueError when the file is missing or empty."""
        if self.password_file is None:
            return None
        password = self.password_file.read_text().strip()
        if not password:
            raise ValueError(f"{self.password_file} is empty")
        return password


class SystemSettings(Section):
    """How often host, processes and venues are looked at; a probe that takes ``timeout_seconds`` has failed."""

    listen: Listen = Listen(port=9101)
    processes: tuple[Process, ...] = ()
    venues: tuple[ProbedVenue, ...] = ()
    mountpoints: tuple[Path, ...] = (Path("/"),)
    ntp: Ntp = Ntp()
    databases: tuple[Database, ...] = ()
    host_seconds: Seconds = 1.0
    disk_seconds: Seconds = 10.0
    database_seconds: Seconds = 5.0
    process_seconds: Seconds = 1.0
    venue_seconds: Seconds = 2.0
    timeout_seconds: Seconds = 2.0
