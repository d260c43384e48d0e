"""An act of consent as the API and the command line take it: what an event on the consent topic says, and more.

Rule 1: no free text; everything that reaches the ledger is a code or has a fixed form.
Rule 2: an act that only the rights desk may do names the rights desk as its channel.
"""

import re
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from collector.formats.consent_event import ActDocument

IDENTIFIER: Final = r"^[A-Za-z0-9._:-]{1,64}$"
"""How a router may be named: by its topic, serial number, IMEI or MAC."""
_ROUTER: Final = "The router: its name in its topics, its serial number, its IMEI or its MAC."
DESK_ONLY: Final = frozenset({"void", "restrict", "unrestrict"})
"""Acts that somebody decides, not ones that an owner clicks."""
REFERENCE: Final = r"^[A-Z]{2,8}(-[A-Z0-9]{1,12}){1,3}$"
"""What the reference of a legal hold looks like: `CASE-2026-017`."""
_SHORTEST_NAME: Final = 4
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:")
Reason = Literal["owner_request", "child", "unlawful", "accuracy_disputed", "factory_reset", "resale", "authority"]


class NamedDocument(ActDocument):
    """An act for a router that somebody names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    router: Annotated[str, StringConstraints(pattern=IDENTIFIER)] = Field(description=_ROUTER)
    time: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="When, RFC 3339 UTC. A join needs it."
    )
    reason: Reason | None = Field(default=None, description="Why, to be kept as evidence.")

    @field_validator("time", mode="before")
    @classmethod
    def _written_out(cls, when: object) -> object:
        # A number, even as text, would be taken for seconds since 1970.
        if when is None or isinstance(when, datetime) or (isinstance(when, str) and _DATE.match(when)):
            return when
        raise ValueError("expected a time such as 2026-03-01T12:00:00Z")


class DeskDocument(NamedDocument):
    """One act of consent, handed in by an app's service or by the rights desk."""

    action: Literal["join", "exit", "erase", "void", "restrict", "unrestrict", "unbind", "cancel"] = Field(
        description="What was done or decided."
    )
    channel: Literal["app", "webui", "rights_desk"] = Field(description="Where it was done or decided.")

    @model_validator(mode="after")
    def _desk_decides(self) -> Self:
        if self.action in DESK_ONLY and self.channel != "rights_desk":
            raise ValueError(f"channel: {self.action} is for the rights desk to decide")
        return self


class HoldDocument(NamedDocument):
    """A legal hold, or its end; the command takes it, the API does not."""

    action: Literal["hold", "release"]
    channel: Literal["rights_desk"] = "rights_desk"
    reference: Annotated[str, StringConstraints(pattern=REFERENCE)]

    @model_validator(mode="after")
    def _names_nobody(self) -> Self:
        name, reference = (_letters(text) for text in (self.router, self.reference))
        if len(name) >= _SHORTEST_NAME and name in reference:
            raise ValueError("reference: contains the router's own name, which must not be in the ledger")
        return self


def _letters(text: str) -> str:
    return "".join(character for character in text.upper() if character.isalnum())


class RouterDocument(BaseModel):
    """Which router is asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    router: Annotated[str, StringConstraints(pattern=IDENTIFIER)] = Field(description=_ROUTER)
