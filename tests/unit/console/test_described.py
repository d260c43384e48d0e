"""The API against its own description (schemathesis): inputs that it allows and inputs that it does not."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from consoles import HERE, House, Visit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from collector.access.nouns import Session
from collector.console import shield
from collector.console.api import CSRF, OPERATIONS, VERSION, Operation
from collector.console.openapi import openapi
from collector.lookup import known_routers

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def visit_by_thousands(a_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A console that counts no requests, for here they come by thousands from one address, and has a further name."""
    folder = tmp_path_factory.mktemp("described")
    audit = a_house.settings.audit.model_copy(update={"folder": folder / "audit", "heads": folder / "heads"})
    console = a_house.settings.console.model_copy(update={"names": ("testserver",)})
    settings = a_house.settings.model_copy(update={"audit": audit, "console": console})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shield, "PER_SECOND", 1e9)
        yield Visit(replace(a_house, settings=settings))


@pytest.fixture(scope="module")
def described(visit_by_thousands: Visit) -> Any:
    """What the console says of its API; but for the cookie and the word, which every request here has."""
    document = openapi()
    del document["security"], document["components"]["securitySchemes"]
    for path in document["paths"].values():
        for operation in path.values():
            operation["parameters"] = [one for one in operation["parameters"] if one["in"] != "header"]
    made = schemathesis.openapi.from_dict(document)
    made.app = visit_by_thousands.app
    return made


EXAMPLES = 25
"""Of each operation and kind."""
PEOPLE = {"consent": "privacy_officer", "audit": "auditor"}
"""Who may do an operation, by the end of its path; an engineer the others."""


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_answer_is_one_that_is_described(
    visit_by_thousands: Visit, described: Any, operation: Operation, mode: GenerationMode
) -> None:
    """To somebody who may; every second handle is a real one."""
    person = PEOPLE.get(operation.path.rpartition("/")[2], "engineer")
    session = visit_by_thousands.door.sessions[person]
    handle = real_handle(visit_by_thousands, session)
    asked = described[VERSION + operation.path][operation.method]

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(asked.as_strategy(generation_mode=mode), st.booleans())
    def answer(case: Any, real: bool) -> None:
        if real and "handle" in (case.path_parameters or {}):
            case.path_parameters["handle"] = handle
        case.call_and_validate(cookies={"test": person}, headers={CSRF: session.csrf}, checks=CHECKS)

    if mode is GenerationMode.POSITIVE or asked.body or list(asked.iter_parameters()):
        answer()


def real_handle(visit: Visit, session: Session) -> str:
    """The handle of the ailing router."""
    [known] = asyncio.run(known_routers(visit.house.settings, HERE, visit.house.ailing))
    return visit.reader.handle_of(session, HERE, known.standing.device_ref)
