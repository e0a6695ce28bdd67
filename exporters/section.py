"""What the sections of the configuration are made of."""

import ipaddress
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S+$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/\S*$")]


class Section(BaseModel):
    """Unknown fields are faults, and nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(Section):
    """Where the exporter serves; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
