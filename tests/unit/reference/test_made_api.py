"""The description of the API promises what the API takes and answers."""

import json
from typing import Any

from hypothesis import given
from schema_documents import Document, Schemas, Validator

from collector.consent.ledger import Result
from collector.metrics import API_STATUSES
from collector.reference.api import MEANINGS, api_page, openapi
from collector.rights.document import DESK_ONLY, DeskDocument, RouterDocument

PATHS: dict[str, Any] = openapi()["paths"]
ACT = PATHS["/v1/consent"]["post"]["requestBody"]["content"]["application/json"]["schema"]
STATE = PATHS["/v1/consent/state"]["post"]["requestBody"]["content"]["application/json"]["schema"]


def test_every_field_is_described() -> None:
    """No key is forgotten or made up."""
    assert set(DeskDocument.model_fields) == set(ACT["properties"])
    assert set(RouterDocument.model_fields) == set(STATE["properties"])
    assert all(found["description"].endswith(".") for found in ACT["properties"].values())


@given(Schemas(ACT).documents())
def test_a_valid_act_is_read(document: Document) -> None:
    """Any act valid by the schema passes the model, save one that only the desk may decide."""
    if document["action"] in DESK_ONLY:
        document["channel"] = "rights_desk"
    Validator(ACT).validate(document)

    assert document["action"] == DeskDocument.model_validate_json(json.dumps(document)).action


def test_every_status_and_result_has_its_meaning() -> None:
    """Those that are declared, and no others."""
    page = api_page()

    assert set(API_STATUSES) == set(MEANINGS)
    assert [] == [result for result in Result if f"\n| `{result}` |" not in page]
    assert [] == [status for status in API_STATUSES if f"\n| {status} |" not in page]
