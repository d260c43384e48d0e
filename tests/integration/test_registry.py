"""The registry beside a running collector: its word routes, and a change is obeyed."""

from pathlib import Path

from .harness import Site, files_below, report, wait_until


def test_the_list_has_the_word_and_changes_are_obeyed(site: Site, tmp_path: Path) -> None:
    """Unlisted routers are refused, listed ones kept, contradictions refused."""
    site.configure(regions={"registry": "required"})
    listed = tmp_path / "fleet.csv"
    listed.write_text("router,country\nZTEREG0001,DE\nZTEREG0002,CN\n")
    imported = site.ueip("registry", "import", str(listed))
    assert (imported.returncode, "2 routers read, 2 entered" in imported.stderr) == (0, True), imported.stderr

    collector = site.start()
    with site.publisher() as router:
        router.report(report("ZTEREG0001", country="DE"))
        router.report(report("ZTEREG0002", country="DE"))
        router.report(report("ZTEREG0003", country="DE"))
        found = collector.wait_settled(3)
        assert {"region_conflict": 1, "region_unknown": 1} == found.dropped
        assert site.count("germany") == 1

        assert site.ueip("registry", "add", "ZTEREG0003", "--country", "FR").returncode == 0
        settled = 3

        def obeyed() -> bool:
            nonlocal settled
            router.report(report("ZTEREG0003", country="FR"))
            settled += 1
            collector.wait_settled(settled)
            return site.count("germany") == 2

        wait_until(obeyed, what="the change of the registry")
    for _, content in files_below(site.folder / "data"):
        assert b"ZTEREG" not in content
    assert "ZTEREG" not in collector.said()


def test_the_command_says_what_stands_and_what_is_wrong(site: Site, tmp_path: Path) -> None:
    """By line, all of it, and without the router's name."""
    site.configure(regions={"registry": "known"})
    assert site.ueip("registry", "show", "ZTEREG0001").returncode == 1
    assert site.ueip("registry", "add", "ZTEREG0001", "--country", "DE").returncode == 0
    assert site.ueip("registry", "show", "ZTEREG0001").stdout.strip() == "germany: country DE, generation 1"
    moved = site.ueip("registry", "add", "ZTEREG0001", "--country", "CN")
    assert (moved.returncode, "remove it first" in moved.stderr) == (2, True)

    wrong = tmp_path / "wrong.csv"
    wrong.write_text("router,country,generation\nZTEREG0007,UK,1\nbad router,DE,1\nZTEREG0001,CN,1\nZTEREG0009,DE,x\n")
    refused = site.ueip("registry", "import", str(wrong))
    assert refused.returncode == 2
    assert [f"line {n}:" in refused.stderr for n in (2, 3, 4, 5)] == [True] * 4
    assert "ZTEREG" not in refused.stderr
    assert site.ueip("registry", "show", "ZTEREG0009").returncode == 1
    assert site.ueip("registry", "remove", "ZTEREG0001").returncode == 0
    assert site.ueip("registry", "remove", "ZTEREG0001").returncode == 1
