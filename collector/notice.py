"""What the collector does is what the notice says: no field, country, purpose or recipient beyond it (4.7, M1, M3).

Rule 1: what no version names, neither the one in force nor a later one, is a fault, at start and in the tests of what
        is shipped: the code must not run ahead of what people are told.
Rule 2: a field is collected once every version from the one in force on names it. A newer release may thus be started
        before its notice takes effect; it collects the new field when it is started again afterwards.
Rule 3: a country's records are stored where the version in force at receipt says, from its first moment on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from collector.consent.policies import Policies, Policy
from collector.fields.catalogue import Catalogue
from collector.model import PURPOSE, RECIPIENTS, Region
from collector.regions import RegionTables

INDISPENSABLE: Final = frozenset(
    "device_ref serial_ref mac_ref serial imei mac imsi cell_id plmn wifi_station_count disconnect_snapshot "
    "ssid_2g ssid_5g wan_ipv4 wan_ipv6 lan_ipv4 lan_domain".split()
)
"""Fields and inputs that the code itself asks for; every other one can be left out of the catalogue."""
_OR = "or take it back (docs/operating.md, A new version of the notice)."


def notice_faults(
    policies: Policies, catalogue: Catalogue, tables: RegionTables, now: int, derived: frozenset[str] = frozenset()
) -> list[str]:
    """What the collector would do though no version that counts from *now* on names it, one sentence for each.

    *derived* are the names of what it works out for itself, which no omission of fields in messages prevents.
    """
    if policies.in_force(now) is None:
        return [f"policies: found no version in force, expected one; '{policies.first.version}' takes effect later."]
    versions = _from(policies, now)
    needed = INDISPENSABLE | derived
    return [*_field_faults(versions, catalogue, needed), *_country_faults(versions, tables), *_use_faults(versions)]


def collected(policies: Policies, catalogue: Catalogue, now: int) -> Catalogue:
    """The catalogue without what some version from *now* on does not name."""
    versions, named = _from(policies, now), _named_by(catalogue)
    left_out = {name for name, what in named.items() if any(policy.fields.get(name) != what for policy in versions)}
    if not left_out:
        return catalogue
    fields = tuple(entry for entry in catalogue.field if entry.name not in left_out)
    inputs = (entry for entry in catalogue.input if entry.name not in left_out)
    fed = ((entry, tuple(name for name in entry.feeds if name not in left_out)) for entry in inputs)
    return Catalogue(
        schema_version=catalogue.schema_version,
        field=fields,
        input=tuple(entry.model_copy(update={"feeds": feeds}) for entry, feeds in fed if feeds),
        event=tuple(entry for entry in catalogue.event if entry.name not in left_out),
        refused=catalogue.refused,
        names=catalogue.names,
    )


def left_out(catalogue: Catalogue, kept: Catalogue) -> set[str]:
    """The names of the catalogue that are not in what `collected` kept of it."""
    return _named_by(catalogue).keys() - _named_by(kept).keys()


def tables_in_time(policies: Policies, tables: RegionTables, now: int) -> list[tuple[int, RegionTables]]:
    """The region tables as each version from *now* on has them, with the time from when on; one pair, most often."""
    found: list[tuple[int, RegionTables]] = []
    for policy in _from(policies, now):
        then = _as_named(tables, policy.countries)
        if not found or then != found[-1][1]:
            found.append((policy.effective_at, then))
    return found


def _as_named(tables: RegionTables, named: Mapping[str, Region]) -> RegionTables:
    """The tables with every country where a version has it; one that it does not name is refused as unmapped."""
    countries = _homes_of(tables)
    lists: dict[str, tuple[str, ...]] = {
        region.value: tuple(country for country in countries if named.get(country) is region) for region in Region
    }
    nowhere = tuple(country for country in countries if country not in named)
    lists["unmapped"] = (*tables.countries.unmapped, *nowhere)
    return tables.model_copy(update={"countries": tables.countries.model_copy(update=lists)})


def _from(policies: Policies, now: int) -> list[Policy]:
    """The version in force and those after it."""
    in_force = policies.in_force(now) or policies.first
    return [policy for policy in policies.versions if policy.effective_at >= in_force.effective_at]


def _named_by(catalogue: Catalogue) -> dict[str, str]:
    """What the catalogue would collect: fields and inputs with their treatments, and kinds of events."""
    values = {value.name: value.treatment for value in (*catalogue.field, *catalogue.input)}
    return {**values, **{event.name: "event" for event in catalogue.event}}


def _homes_of(tables: RegionTables) -> dict[str, Region]:
    """The region of every country that the tables give one."""
    return {country: region for region in Region for country in getattr(tables.countries, region.value)}


def _field_faults(versions: Sequence[Policy], catalogue: Catalogue, needed: frozenset[str]) -> Iterator[str]:
    for name, treatment in _named_by(catalogue).items():
        lacking = [policy.version for policy in versions if policy.fields.get(name) != treatment]
        if name in needed and lacking:
            yield (
                f"schemas/fields.toml: found '{name}' ({treatment}), without which the collector cannot work, expected "
                f"it in every version from the one in force on; '{lacking[0]}' lacks it. Name it there, {_OR}"
            )
        elif len(lacking) == len(versions):
            yield (
                f"schemas/fields.toml: found '{name}' ({treatment}), expected only what {_last(versions)} names. "
                f'Publish a major version with reason M1 and adds.{treatment} = ["{name}"], {_OR}'
            )


def _country_faults(versions: Sequence[Policy], tables: RegionTables) -> Iterator[str]:
    for country, region in _homes_of(tables).items():
        if country not in tables.blocked and all(policy.countries.get(country) is not region for policy in versions):
            home = versions[-1].countries.get(country, "nowhere")
            yield (
                f"region tables: found {country} in {region}, expected {home}, as {_last(versions)} says. Publish "
                f'a version with countries.{region} = ["{country}"], major with reason M3 if the country moves, {_OR}'
            )


def _use_faults(versions: Sequence[Policy]) -> Iterator[str]:
    for policy in versions:
        if PURPOSE not in policy.purposes:
            yield f"purpose: found '{PURPOSE}', expected one of '{policy.version}'. Add it, with reason M1, {_OR}"
        for recipient in sorted(set(RECIPIENTS).difference(policy.recipients)):
            yield f"recipient: found '{recipient}', expected one of '{policy.version}'. Add it, with reason M3, {_OR}"


def _last(versions: Sequence[Policy]) -> str:
    return f"version '{versions[-1].version}' of the notice"
