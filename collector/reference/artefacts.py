"""Every file that is made, and whether the one on disk is what would be made now."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from collector.console.openapi import openapi as console_openapi
from collector.diagnosis.document import document_schema
from collector.diagnosis.survey_document import survey_schema
from collector.errors import DataFault
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.reference.aliases import aliases_page
from collector.reference.api import api_page, openapi
from collector.reference.consent_schema import consent_schema
from collector.reference.examples import firmware_parts
from collector.reference.fields import fields_page
from collector.reference.markdown import filled
from collector.reference.metrics import metrics_page
from collector.reference.reasons import drop_reasons_page
from collector.reference.rules import rules_page
from collector.reference.schema import report_schema
from collector.reference.settings import configuration, settings_page

ROOT: Final = Path(__file__).resolve().parents[2]
FIRMWARE_PAGE: Final = "docs/firmware.md"


def artefacts(root: Path = ROOT, catalogue: Catalogue | None = None) -> dict[str, str]:
    """The text of every made file, by its path below *root*; parts written by hand are read from there.

    Raises:
        DataFault: a page or example has a fault, or *root* is not a checkout.
    """
    catalogue = catalogue or load_catalogue()
    parts = firmware_parts(catalogue, root / "docs" / "examples")
    return {
        "schemas/report-v1.schema.json": as_json(report_schema(catalogue)),
        "schemas/consent-v1.schema.json": as_json(consent_schema()),
        "schemas/api-v1.openapi.json": as_json(openapi()),
        "schemas/console-v1.openapi.json": as_json(console_openapi()),
        "schemas/diagnosis-v1.schema.json": as_json(document_schema()),
        "schemas/fleet-v1.schema.json": as_json(survey_schema()),
        "config/collector.toml": configuration(),
        "docs/reference/aliases.md": aliases_page(),
        "docs/reference/api.md": api_page(),
        "docs/reference/fields.md": fields_page(catalogue),
        "docs/reference/drop-reasons.md": drop_reasons_page(),
        "docs/reference/metrics.md": metrics_page(),
        "docs/reference/rules.md": rules_page(),
        "docs/reference/settings.md": settings_page(),
        FIRMWARE_PAGE: filled(FIRMWARE_PAGE, _read(root / FIRMWARE_PAGE), parts),
    }


def as_json(document: Mapping[str, Any]) -> str:
    """JSON for people and for comparison: indented by two, keys in the order given, a line break at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def stale(made: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """The paths below *root* that do not hold what was made, missing ones included."""
    return [path for path, text in made.items() if not _holds(root / path, text)]


def write(made: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Write what is stale; say which."""
    paths = stale(made, root)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(made[path].encode())
    return paths


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DataFault([f"{path}: cannot be read: {error.strerror}. The pages are made in a checkout."]) from None
