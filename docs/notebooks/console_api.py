"""Load the console's API into polars: a router's series, its findings, and what stands out in the fleet.

Run it cell by cell in an editor that knows `# %%`, or as a program:

    python docs/notebooks/console_api.py http://127.0.0.1:9466 erika ZTEDW5B914865

It asks for the password of the account. For TLS with a private authority, pass `verify=ssl_context` to `httpx2.Client`.
"""

# %% The console's address, who asks, and about which router
import getpass
import os
import re
import sys

import httpx2
import polars as pl

address, name, serial = sys.argv[1:4]
password = os.environ.get("UEIP_PASSWORD") or getpass.getpass()
client = httpx2.Client(base_url=address, headers={"Origin": address}, timeout=60)


# %% Sign in and give a reason, with the forms of the pages, as a browser does
def word_of(path: str) -> str:
    """The token in a page's form, which shows that the form comes from the console."""
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
assert found, "your regions know no router by that name"
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

# %% What it measured: a row for each time, a column for each line of the chart; a gap is a row of nulls
series = client.get(f"{router}/series", params={"since": "7d"}).raise_for_status().json()
columns = {
    " ".join(filter(None, (line["name"], line["technology"]))): pl.Series(line["values"], dtype=pl.Float64)
    for line in series["lines"]
}
measured = pl.DataFrame({"time": series["times"], **columns}).with_columns(pl.from_epoch("time", time_unit="s"))
print(measured.describe())

# %% By the hour of the day (UTC): is it worse in the evening?
hourly = measured.group_by(pl.col("time").dt.hour().alias("hour")).agg(pl.exclude("time").median()).sort("hour")
print(hourly)

# %% What stands out in the fleet: which versions have more faults than similar ones
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
