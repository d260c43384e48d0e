"""Who is answered what, for every operation of the API, every role and both regions. A missing one fails the test."""

from typing import Final

import pytest
from consoles import ELSEWHERE, HERE, Visit
from starlette.routing import Route

from collector.access.nouns import Right
from collector.console.api import OPERATIONS, VERSION, Operation
from collector.lookup import known_routers
from collector.model import Region

PEOPLE: Final = (
    "engineer", "engineer_elsewhere", "engineer_nowhere", "engineer_silent", "operator", "privacy_officer", "auditor",
    "nobody",
)  # fmt: skip
OK, WHO, NO, ABSENT = 200, 401, 403, 404
MATRIX: Final = {
    # operation: of HERE, in the order of PEOPLE
    "get_session": (OK, OK, OK, OK, OK, OK, OK, WHO),
    "post_lookups": (OK, NO, NO, NO, NO, OK, NO, WHO),
    "get_routers_one": (OK, NO, NO, NO, NO, NO, NO, WHO),
    "get_routers_series": (OK, NO, NO, NO, NO, NO, NO, WHO),
    "get_routers_consent": (NO, NO, NO, NO, NO, OK, NO, WHO),
    "get_fleet": (OK, NO, NO, OK, NO, NO, NO, WHO),
    "get_health": (OK, OK, OK, OK, OK, NO, NO, WHO),
    "get_audit": (NO, NO, NO, NO, NO, OK, OK, WHO),
    "get_rules": (OK, OK, OK, OK, OK, OK, OK, WHO),
    "get_rules_one": (OK, OK, OK, OK, OK, OK, OK, WHO),
    "get_openapi.json": (OK, OK, OK, OK, OK, OK, OK, OK),
}
ASKED: Final = {operation.name: operation for operation in OPERATIONS}


def test_every_operation_is_in_the_matrix() -> None:
    """And nothing else."""
    assert list(MATRIX) == list(ASKED)


async def asked(visit: Visit, operation: Operation, person: str, region: Region) -> int:
    """The status of an operation on something of *region*, with a handle as if they had been given one."""
    [known] = await known_routers(visit.house.settings, region, visit.house.serials[region][0])
    session = visit.door.sessions.get(person)
    handle = visit.reader.handle_of(session, region, known.standing.device_ref) if session else "none"
    path = VERSION + operation.path.replace("{handle}", handle).replace("{rule}", "signal_weak")
    query = {"region": region.value} if "region" in operation.query else {}
    body = {"identifier": visit.house.serials[region][0], "region": region.value} if operation.body else None
    async with visit.client(person) as client:
        return (await client.request(operation.method, path, params=query, json=body)).status_code


@pytest.mark.parametrize("name", MATRIX)
async def test_each_role_is_answered_as_the_matrix_says(visit: Visit, name: str) -> None:
    """In the region that is the engineer's own."""
    visit.door.let_in("engineer_silent", visit.door.sessions["engineer"].viewer, reason=False)

    assert MATRIX[name] == tuple([await asked(visit, ASKED[name], person, HERE) for person in PEOPLE])


@pytest.mark.parametrize("name", [one.name for one in OPERATIONS if one.right not in {None, Right.HEALTH}])
async def test_what_is_of_another_region_is_refused_and_written_down_there(visit: Visit, name: str) -> None:
    """Whatever the role: a look from elsewhere would be a transfer (O70)."""
    people = [person for person in PEOPLE if person in visit.door.sessions and person != "engineer_elsewhere"]
    statuses = {person: await asked(visit, ASKED[name], person, ELSEWHERE) for person in people}

    assert set(statuses.values()) == {NO}
    written = visit.audited(ELSEWHERE)
    assert {entry.outcome for entry in written} <= {"role", "region"}
    assert sorted(entry.who for entry in written) == sorted(visit.door.sessions[who].viewer.name for who in people)
    assert await asked(visit, ASKED[name], "engineer_elsewhere", ELSEWHERE) in {OK, NO}


SHOWN, ELSE = 200, 303
PAGES: Final = {
    # page: in the order of PEOPLE; 303 leads to the sign-in, the reason or the first page of the role
    "GET /": (SHOWN, SHOWN, SHOWN, ELSE, ELSE, SHOWN, ELSE, ELSE),
    "POST /lookup": (ELSE, ABSENT, NO, ELSE, NO, ELSE, NO, WHO),
    "GET /routers/{handle}": (SHOWN, NO, NO, ELSE, NO, SHOWN, NO, WHO),
    "GET /fleet": (SHOWN, SHOWN, NO, SHOWN, NO, NO, NO, WHO),
    "GET /regions": (SHOWN, SHOWN, SHOWN, SHOWN, SHOWN, NO, NO, WHO),
    "GET /audit": (NO, NO, NO, NO, NO, SHOWN, SHOWN, WHO),
}
"""Of HERE; an engineer of elsewhere is shown the fleet of their own region, and finds nobody of this one."""
BY_THEMSELVES: Final = {
    "GET /sign-in", "POST /sign-in", "POST /sign-out", "GET /reason", "POST /reason", "POST /preferences",
}  # fmt: skip
"""Pages that show nothing of anybody; tests/unit/console/test_signing.py has what they do."""


def routes_of(visit: Visit) -> set[str]:
    """All that the application answers, as `METHOD path`, but for the API and static files."""
    routes = [route for route in visit.app.routes if isinstance(route, Route)]
    found = {f"{method} {route.path}" for route in routes for method in (route.methods or ()) if method != "HEAD"}
    return {one for one in found if "/api/" not in one}


def test_every_page_is_in_a_matrix(visit: Visit) -> None:
    """And every route of the API is an operation."""
    paths = {route.path for route in visit.app.routes if isinstance(route, Route) and route.path.startswith("/api/")}

    assert routes_of(visit) == set(PAGES) | BY_THEMSELVES
    assert paths == {VERSION + operation.path for operation in OPERATIONS}


@pytest.mark.parametrize("page", PAGES)
async def test_each_role_is_shown_the_pages_that_the_matrix_says(visit: Visit, page: str) -> None:
    """The same rights as the API's, for it is the same reader."""
    visit.door.let_in("engineer_silent", visit.door.sessions["engineer"].viewer, reason=False)
    serial = visit.house.serials[HERE][0]
    [known] = await known_routers(visit.house.settings, HERE, serial)
    method, _, path = page.partition(" ")
    statuses = []
    for person in PEOPLE:
        session = visit.door.sessions.get(person)
        handle = visit.reader.handle_of(session, HERE, known.standing.device_ref) if session else "none"
        form = {"csrf": session.csrf if session else "", "identifier": serial} if method == "POST" else None
        async with visit.client(person, Origin="http://127.0.0.1") as client:
            answer = await client.request(method, path.replace("{handle}", handle), data=form)
        statuses.append(answer.status_code)

    assert PAGES[page] == tuple(statuses)


async def test_a_region_that_is_not_served_is_not_there(visit: Visit) -> None:
    """There is nothing of it, and no log to write into."""
    async with visit.client("auditor") as client:
        served = visit.house.settings.regions.enabled
        assert set(served) == set(Region)
        answer = await client.get("/api/v1/audit", params={"region": "atlantis"})

    assert answer.status_code == 400
    assert "atlantis" not in answer.text
