"""What charts and their table are given: the words of a language, the findings on the axis, gaps as gaps."""

from patients import NOW, SINCE, event, every, history, hours
from records import HOUR, MINUTE, ref

from collector.console import building, views
from collector.console.charts import chart_of, table_of
from collector.console.texts import texts_of
from collector.diagnosis.document import document
from collector.diagnosis.history import DAY
from collector.diagnosis.judging import checked_rules, diagnose
from collector.diagnosis.series import lines_of
from collector.model import Region


def view() -> views.RouterView:
    """A router with a day without records, disconnects after it, and traffic."""
    body = {
        "network": {"rat": "lte"},
        "signal": {"rsrp_dbm": -95, "sinr_db": 12},
        "usage": {"downlink_bytes_per_second": 2500, "uplink_bytes_per_second": 1000},
        "wifi": {"wifi_station_count": 4},
    }
    bodies = [(at, body) for at in every() if not SINCE + DAY < at < SINCE + 2 * DAY]
    for n in range(20):
        told = event("wan_unexpected_disconnect", hours(60 + n))
        bodies.append((told["at"] + MINUTE, {"events": [{"event": told["event"]}]}))
    made = history(sorted(bodies, key=lambda found: found[0]))
    findings = diagnose(made, checked_rules())
    shown = document(Region.GERMANY, ref("a"), made, findings, [], readable=True, cut_off=False)
    series = building.series_view(Region.GERMANY, ref("a"), made, lines_of(made), readable=True)
    return views.RouterView("handle", shown, series)


def test_panels_have_their_lines_in_the_words_of_the_reader() -> None:
    """Traffic in thousands; lines of one panel differ by more than colour."""
    charts = {language: chart_of(view(), texts_of(language)) for language in ("en", "de")}
    titles = {language: [panel["title"] for panel in chart["panels"]] for language, chart in charts.items()}

    assert titles["en"] == ["Signal level", "Signal quality", "Traffic", "Wi-Fi stations"]
    assert titles["de"] == ["Signalpegel", "Signalqualität", "Datenverkehr", "WLAN-Geräte"]
    traffic = charts["en"]["panels"][2]
    assert (traffic["unit"], [line["label"] for line in traffic["lines"]]) == ("kB/s", ["down", "up"])
    assert {value for value in traffic["lines"][0]["values"] if value is not None} == {2.5}
    assert traffic["lines"][0]["dash"] != traffic["lines"][1]["dash"]
    assert {
        len(line["values"]) for chart in charts.values() for panel in chart["panels"] for line in panel["lines"]
    } == {len(charts["en"]["times"])}


def test_findings_stand_on_the_axis_by_their_number() -> None:
    """As on the page; what lasts has no end."""
    chart = chart_of(view(), texts_of("de"))
    [finding] = [one for one in chart["findings"] if one["title"] == "Häufige Verbindungsabbrüche"]

    assert finding["number"] == 1
    assert finding["severity"] == "major"
    assert abs(finding["since"] - hours(60) // 1000) <= 120
    assert [lane["title"] for lane in chart["lanes"]] == ["Verbindungsabbrüche"]
    assert len(chart["lanes"][0]["marks"]) == 20
    assert chart["gaps"][0][1] - chart["gaps"][0][0] == DAY // 1000


def test_a_chart_begins_where_there_is_data() -> None:
    """Two hours of it are not drawn as a sliver of a week."""
    late = [(at, {"signal": {"rsrp_dbm": -95}, "network": {"rat": "lte"}}) for at in every(since=NOW - 2 * HOUR)]
    made = history(late)
    shown = document(Region.GERMANY, ref("a"), made, [], [], readable=True, cut_off=False)
    series = building.series_view(Region.GERMANY, ref("a"), made, lines_of(made), readable=True)
    chart = chart_of(views.RouterView("h", shown, series), texts_of("en"))

    assert 0 < chart["times"][0] - chart["since"] < 200
    assert chart["until"] == NOW // 1000


def test_the_table_says_the_same_newest_first() -> None:
    """Medians, sums of counts, and nothing where nothing is known."""
    table = table_of(view(), texts_of("en"))
    silent = [line for line in table.lines if all(cell is None for cell in line.cells)]

    assert table.titles == [
        "LTE RSRP, dBm", "LTE SINR, dB", "down, kB/s", "up, kB/s", "Wi-Fi stations", "Disconnects",
    ]  # fmt: skip
    assert len(table.lines) == 28
    assert table.lines[0].since > table.lines[-1].since
    assert table.lines[0].cells == [-95, 12, 2.5, 1, 4, 0]
    assert sum(line.cells[-1] or 0 for line in table.lines) == 20
    assert len(silent) in {3, 4}


def test_nothing_makes_an_empty_table() -> None:
    """A router that sent nothing."""
    made = history([], now=NOW)
    shown = document(Region.GERMANY, ref("a"), made, [], [], readable=True, cut_off=False)
    series = building.series_view(Region.GERMANY, ref("a"), made, lines_of(made), readable=True)

    assert table_of(views.RouterView("h", shown, series), texts_of("en")).lines == []
