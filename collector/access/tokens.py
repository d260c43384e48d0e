"""What an OpenID Connect provider says of somebody: checked, and turned into a viewer. Pure.

Numbers are the steps of OpenID Connect Core 1.0, 3.1.3.7 ("ID Token Validation"). Step 6 lets a client that got the
token from the provider itself skip the signature; here it is always checked.

Rule 1: whoever comes without exactly one role is refused.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from collector.access.nouns import ACCOUNT_ROLES, Role, Viewer
from collector.config_access import OidcSettings
from collector.model import Region

LEEWAY: Final = 60
"""Seconds by which two clocks may differ."""
OLDEST: Final = 600
"""Most seconds since an ID token was issued: it answers a sign-in of just now."""
_MOST_NAME: Final = 64


class Doubt(StrEnum):
    """Why a sign-in by a provider is refused."""

    STATE = "state"
    PROVIDER = "provider"
    DENIED = "denied"
    MIX_UP = "mix_up"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NONCE = "nonce"
    NAME = "name"
    ROLE = "role"
    TRAINING = "training"


class NotAccepted(Exception):
    """The sign-in is refused; `doubt` says why, for the log. Whoever tries is not told."""

    def __init__(self, doubt: Doubt) -> None:
        super().__init__(doubt.value)
        self.doubt = doubt


class UnknownKey(Exception):
    """The token is signed with a key that is not known; the provider may have new ones."""


def claims_of(token: str, keys: KeySet, settings: OidcSettings, *, nonce: str, now: float) -> dict[str, Any]:
    """The claims of an ID token, checked. *now* is in seconds.

    Raises:
        NotAccepted: it is not for us, not for this sign-in, or not for now.
        UnknownKey: as named.
    """
    allowed = JWSRegistry(algorithms=settings.algorithms, strict_check_header=False)
    try:
        claims = jwt.decode(token, keys, registry=allowed).claims  # 6-8
    except InvalidKeyIdError:
        raise UnknownKey from None
    except (JoseError, ValueError, TypeError):
        raise NotAccepted(Doubt.SIGNATURE) from None
    if claims.get("iss") != settings.issuer:  # 2
        raise NotAccepted(Doubt.ISSUER)
    _for_us(claims, str(settings.client_id))
    _now(claims, now)
    found = claims.get("nonce")  # 11
    if not isinstance(found, str) or not hmac.compare_digest(found.encode("utf-8", "replace"), nonce.encode()):
        raise NotAccepted(Doubt.NONCE)
    return claims


def _for_us(claims: Mapping[str, Any], client: str) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client not in audiences:  # 3
        raise NotAccepted(Doubt.AUDIENCE)
    azp = claims.get("azp")
    if azp != client and (azp is not None or len(audiences) > 1):  # 3, 4, 5
        raise NotAccepted(Doubt.AUDIENCE)


def _now(claims: Mapping[str, Any], now: float) -> None:
    expires, issued, earliest = claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)
    if not all(isinstance(at, int | float) and not isinstance(at, bool) for at in (expires, issued, earliest)):
        raise NotAccepted(Doubt.EXPIRED)
    assert expires is not None
    assert issued is not None
    if not now - LEEWAY < expires or not now - OLDEST < issued < now + LEEWAY or earliest > now + LEEWAY:  # 9, 10
        raise NotAccepted(Doubt.EXPIRED)


def viewer_of(claims: Mapping[str, Any], settings: OidcSettings, *, now: float) -> Viewer:
    """Who somebody is according to their claims.

    Raises:
        NotAccepted: they have no usable name, no role or several, or their training is over.
    """
    name = _claim(claims, settings.name_claim)
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME or not name.isprintable():
        raise NotAccepted(Doubt.NAME)
    if settings.training_claim and not _is_trained(_claim(claims, settings.training_claim), now):
        raise NotAccepted(Doubt.TRAINING)
    roles = _meant(_claim(claims, settings.role_claim), settings.roles or {role: role for role in ACCOUNT_ROLES})
    if len(roles) != 1:
        raise NotAccepted(Doubt.ROLE)
    regions = _meant(_claim(claims, settings.region_claim), settings.regions or {region: region for region in Region})
    return Viewer(name=name, role=Role(roles.pop()), regions=frozenset(map(Region, regions)), source="oidc")


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim with that name; if there is none, the one that the dots lead to."""
    found: Any = claims
    if path in claims:
        return claims[path]
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _meant(said: Any, words: Mapping[str, str]) -> set[str]:
    """What a claim, one value or a list of them, stands for; values that stand for nothing are left out."""
    values = said if isinstance(said, list) else [said]
    return {str(words[value]) for value in values if isinstance(value, str) and value in words}


def _is_trained(said: Any, now: float) -> bool:
    """Whether a date, such as 2027-01-31 or in seconds since 1970, has not passed."""
    if isinstance(said, int | float) and not isinstance(said, bool):
        return now < said
    try:
        return date.fromisoformat(said) >= datetime.fromtimestamp(now, UTC).date()
    except (TypeError, ValueError):
        return False
