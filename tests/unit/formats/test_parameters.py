"""Conversions for parameters of TR-181 and TR-098."""

from typing import Any

import pytest

from collector.formats import parameters
from collector.formats.nothing import NOTHING

NOT: Any = ValueError


@pytest.mark.parametrize(
    ("conversion", "value", "expected"),
    [
        (parameters.version, "V9.1.0P4N3_MUL", "V9.1.0P4N3_MUL"),
        (parameters.version, "0.14.0 v605f.0 Build 221227 Rel.55257n", "0.14.0_v605f.0_Build_221227_Rel.55257n"),
        (parameters.version, " 1.2.3 (EU) ", "1.2.3_EU"),
        (parameters.version, "CGM4140COM", "CGM4140COM"),
        (parameters.version, "", NOTHING),
        (parameters.version, "7 in the house of Bob", NOT),
        (parameters.version, 7, "7"),
        (parameters.version, True, NOT),
        (parameters.version, ["1.0"], NOT),
        (parameters.version, 1.5, NOT),
        (parameters.version, "+49 151 1234567", NOT),
        (parameters.version, "4901 5420 3237 518", NOT),
        (parameters.version, "(0151) 123-45678", NOT),
        (parameters.version, "2023 0105", "2023_0105"),
        (parameters.version, "0.9.1 4.16 v0001.0 220314 59410", "0.9.1_4.16_v0001.0_220314_59410"),
        (parameters.serial, "ZTE YH86 LCN1", "ZTEYH86LCN1"),
        (parameters.serial, "000000000000", NOTHING),
        (parameters.serial, "", NOTHING),
        (parameters.endpoint_serial, "os::00256D-ABC-1", "ABC-1"),
        (parameters.endpoint_serial, "uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6", NOTHING),
        (parameters.iccid, "8949 0200 0012 3456 789F", "8949020000123456789"),
        (parameters.iccid, "", NOTHING),
        (parameters.plmn_or_name, "26201", "26201"),
        (parameters.plmn_or_name, "262-01", "26201"),
        (parameters.plmn_or_name, "310 410", "310410"),
        (parameters.plmn_or_name, "Telekom.de", NOTHING),
        (parameters.newest_standard, "b,g,n", "n"),
        (parameters.newest_standard, "a,n,ac,ax", "ax"),
        (parameters.newest_standard, "802.11a/n/ac mixed", "ac"),
        (parameters.newest_standard, "bgn", "n"),
        (parameters.newest_standard, "b", "b"),
        (parameters.newest_standard, "auto", NOT),
        (parameters.beacon_security, ("None", "None", ""), "none"),
        (parameters.beacon_security, ("Basic", "WEPEncryption", ""), "wep"),
        (parameters.beacon_security, ("Basic", "None", ""), "none"),
        (parameters.beacon_security, ("11i", "", "PSKAuthentication"), "wpa2"),
        (parameters.beacon_security, ("11i", "", "EAPAuthentication"), "enterprise"),
        (parameters.beacon_security, ("WPAand11i", "", ""), "wpa_wpa2"),
        (parameters.regulatory_country, "DEI", "DE"),
        (parameters.regulatory_country, "us ", "US"),
        (parameters.regulatory_country, "BR", "BR"),
        (parameters.regulatory_country, "Berlin", NOT),
        (parameters.ipv4_network, ("192.168.1.1", "255.255.255.0"), "192.168.1.1/24"),
        (parameters.ipv4_network, ("0.0.0.0", "0.0.0.0"), NOTHING),
        (parameters.ipv4_network, ("192.168.1.1", "255.0.255.0"), NOT),
        (parameters.public_ipv4, "84.1.2.3", "84.1.2.3"),
        (parameters.public_ipv4, "100.64.1.2", "100.64.1.2"),
        (parameters.public_ipv4, "192.168.1.2", NOTHING),
        (parameters.global_ipv6, "2a02::1/64", "2a02::1"),
        (parameters.global_ipv6, "fe80::1", NOTHING),
        (parameters.global_ipv6, "fd00::1", NOTHING),
        (parameters.rcpi, 110, -55),
        (parameters.rcpi, "0", -110),
        (parameters.rcpi, 255, NOTHING),
        (parameters.time, "0001-01-01T00:00:00Z", NOTHING),
        (parameters.time, "9999-12-31T23:59:59Z", NOTHING),
        (parameters.time, 0, NOTHING),
    ],
)  # fmt: skip
def test_a_value_becomes(conversion: Any, value: Any, expected: Any) -> None:
    """The value, nothing where it stands for no measurement, ValueError where it is none."""
    if expected is NOT:
        with pytest.raises(ValueError):
            conversion(value)
    else:
        assert expected == conversion(value)
