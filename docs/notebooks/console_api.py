"""Answers of the console's API in polars: a router's series, its findings, and what stands out in the fleet.

Run it cell by cell in an editor that knows `# %%`, or as a program:

    python docs/notebooks/console_api.py http://127.0.0.1:9466 erika ZTEDW5B914865

It asks for the password of the account. With TLS of a private authority, pass `verify=ssl_context` to `httpx2.Client`.
"""

# %% Who asks, where, about which router
import getpass
import os
import re
import sys

import httpx2
import polars as pl

address, name, serial = sys.argv[1:4]
password = os.environ.get("UEIP_PASSWORD") or getpass.getpass()
client = httpx2.Client(base_url=address, headers={"Origin": address}, timeout=60)


# %% Sign in, and say why: by the forms of the pages, as a browser does
def word_of(path: str) -> str:
    """The word that the form of a page holds; it shows that the form comes from a page of the console."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).raise_for_status().text)
    assert found is not None, f"{path} has no form"
    return found[1]


form = {"csrf": word_of("/sign-in"), "name": name, "password": password, "next": "/"}
assert client.post("/sign-in", data=form).status_code == httpx2.codes.SEE_OTHER, "the sign-in was refused"
session = client.get("/api/v1/session").raise_for_status().json()
client.headers["X-CSRF-Token"] = session["csrf"]
client.post("/reason", data={"csrf": session["csrf"], "reason": "ticket 4711", "hours": "1", "back": "/"})

# %% Look the router up: the handle stands for it in this session
found = client.post("/api/v1/lookups", json={"identifier": serial}).raise_for_status().json()["routers"]
assert found, "no router is known by that in your regions"
router = f"/api/v1/routers/{found[0]['handle']}"

# %% What is wrong with it
document = client.get(router, params={"since": "7d"}).raise_for_status().json()
findings = pl.DataFrame(
    [
        {name: finding[name] for name in ("rule", "severity", "confidence", "since", "until", "summary")}
        for finding in document["findings"]
    ],
    schema=["rule", "severity", "confidence", "since", "until", "summary"],
)
print(findings)

# %% What it measured: one row a moment, one column a line; a gap is a row of nulls
series = client.get(f"{router}/series", params={"since": "7d"}).raise_for_status().json()
columns = {
    " ".join(filter(None, (line["name"], line["technology"]))): pl.Series(line["values"], dtype=pl.Float64)
    for line in series["lines"]
}
measured = pl.DataFrame({"time": series["times"], **columns}).with_columns(pl.from_epoch("time", time_unit="s"))
print(measured.describe())

# %% By the hour of the day: is it the evening?
hourly = measured.group_by(pl.col("time").dt.hour().alias("hour")).agg(pl.exclude("time").median()).sort("hour")
print(hourly)

# %% What stands out in the fleet: which version has more faults than its like
fleets = client.get("/api/v1/fleet").raise_for_status().json()
alarms = pl.DataFrame(
    [
        {
            "region": fleet["region"],
            **{name: alarm[name] for name in ("kind", "name", "model", "fault", "ratio", "began")},
        }
        for fleet in fleets
        if fleet["survey"] is not None
        for alarm in fleet["survey"]["alarms"]
    ],
    schema=["region", "kind", "name", "model", "fault", "ratio", "began"],
)
print(alarms)
