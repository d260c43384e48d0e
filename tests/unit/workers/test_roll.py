"""Which worker numbers there are, over restarts."""

from pathlib import Path

import pytest

from collector.config import Settings
from collector.config_regions import RegionSettings, RegionsSettings
from collector.errors import DataFault
from collector.model import Region
from collector.workers.job import Job, check_name, settings_of, spools_of
from collector.workers.roll import Roll


def settings(folder: Path, **broker: str) -> Settings:
    """Settings with one region in *folder*."""
    own = RegionSettings(store=folder / "data" / "g.sqlite", key_files=(folder / "keys" / "g.key",), retention_days=365)
    regions = RegionsSettings(enabled=(Region.GERMANY,), germany=own)
    return Settings.model_validate({"broker": broker, "regions": regions})


def test_numbers_stay_until_they_are_struck(tmp_path: Path) -> None:
    """For another process too."""
    roll = Roll(settings(tmp_path))
    roll.add({1, 2, 3})
    roll.strike(2)

    assert {1, 3} == Roll(settings(tmp_path)).numbers()
    roll.strike(1)
    roll.strike(3)
    assert set() == roll.numbers()
    assert not roll.path.exists()


def test_each_collector_has_a_roll_of_its_own(tmp_path: Path) -> None:
    """Several may have their keys in one folder."""
    Roll(settings(tmp_path, client_id="a")).add({1, 2})

    assert set() == Roll(settings(tmp_path, client_id="b")).numbers()


def test_a_spool_without_an_entry_counts(tmp_path: Path) -> None:
    """Records in it would wait for ever."""
    made = settings(tmp_path)
    (spools_of(made, 4)[0]).mkdir(parents=True)

    assert {4} == Roll(made).numbers()


def test_a_folder_that_no_worker_would_spool_in_is_no_number(tmp_path: Path) -> None:
    """It could never be struck, and each start would have a worker leave anew."""
    made = settings(tmp_path)
    for name in ("worker-02", "worker-²", "worker-1", "worker-65", "worker-x"):
        (made.regions.of(Region.GERMANY).spool_folder / name).mkdir(parents=True)

    assert set() == Roll(made).numbers()


def test_striking_a_number_removes_its_empty_spool_and_nothing_else(tmp_path: Path) -> None:
    """What somebody else put there stays, and keeps the number."""
    made = settings(tmp_path)
    for number in (2, 3):
        folder = spools_of(made, number)[0]
        folder.mkdir(parents=True)
        (folder / "spool.sqlite").touch()
    (spools_of(made, 3)[0] / "notes.txt").touch()
    roll = Roll(made)
    roll.strike(2)
    roll.strike(3)

    assert {3} == roll.numbers()
    assert ["notes.txt"] == [file.name for file in spools_of(made, 3)[0].iterdir()]


@pytest.mark.parametrize("text", ["two\n", "0\n", "65\n", "2 2\n", "\xe9\n"])
def test_a_roll_that_is_none_is_a_fault(tmp_path: Path, text: str) -> None:
    """Taken for an empty one, what waits for the others would be forgotten."""
    roll = Roll(settings(tmp_path))
    roll.path.parent.mkdir()
    roll.path.write_text(text, "latin-1")

    with pytest.raises(DataFault, match="workers: "):
        roll.numbers()


def test_a_worker_has_a_name_and_spools_of_its_own_and_shares_the_rest(tmp_path: Path) -> None:
    """The first is what a collector without workers is, so that each can follow the other."""
    made = settings(tmp_path)
    second = Job(2, made.model_dump_json()).made_settings()

    assert made == settings_of(made, 1) == Job(1, made.model_dump_json()).made_settings()
    assert "ueip-collector-w2" == second.broker.client_id
    assert made.regions.of(Region.GERMANY).spool_folder / "worker-2" == second.regions.of(Region.GERMANY).spool_folder
    assert made.regions.of(Region.GERMANY).store == second.regions.of(Region.GERMANY).store
    assert made.regions.witness_of(Region.GERMANY) == second.regions.witness_of(Region.GERMANY)


def test_who_shares_with_whom(tmp_path: Path) -> None:
    """By the settings' group, by ours, or, alone, with nobody."""
    plain, grouped = settings(tmp_path), settings(tmp_path, share_group="fleet")
    job = Job(1, "")

    assert "ueip" == job.membership(plain).group
    assert "fleet" == job.membership(grouped).group
    job.alone = True
    assert None is job.membership(plain).group
    assert "fleet" == job.membership(grouped).group


def test_a_name_without_room_for_a_number_is_a_fault(tmp_path: Path) -> None:
    """Told before any worker is started."""
    check_name(settings(tmp_path, client_id="x" * 60))
    with pytest.raises(DataFault, match=r"broker\.client_id: found 61 characters, expected at most 60"):
        check_name(settings(tmp_path, client_id="x" * 61))
