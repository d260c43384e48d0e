"""How names are compared when a removed key is looked up among those that must stay on the router."""

from string import ascii_lowercase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import catalogue, minimal_document, removed_of

from collector.fields.clean import Cleaner, Tally
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames, normalise, normalise_path
from collector.model import Removal

NAMES = RefusedNames(catalogue())


def counted(name: str, *beside: str) -> str:
    """How a key is counted, alone or beside these."""
    return NAMES.removal_of(name, frozenset({name, *beside})).value


# ---------------------------------------------------------------------------------------------------- one spelling


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PppPasswd", "ppp_passwd"),
        ("pppPasswd", "ppp_passwd"),
        ("ppp-passwd", "ppp_passwd"),
        ("ppp.passwd", "ppp_passwd"),
        ("ppp/passwd", "ppp_passwd"),
        ("ppp:passwd", "ppp_passwd"),
        ("ppp passwd", "ppp_passwd"),
        ("PPP__Passwd", "ppp_passwd"),
        ("-ppp_-passwd.", "ppp_passwd"),
        ("WPAPSK1", "wpapsk1"),
        ("WPAPSK1_encode", "wpapsk1_encode"),
        ("IPAddress", "ip_address"),
        ("MACAddress", "mac_address"),
        ("SSID", "ssid"),
        ("KeyPassphrase", "key_passphrase"),
        ("tr069_ServerURL", "tr069_server_url"),
        ("e-mail", "e_mail"),
        ("Password_5G", "password_5g"),
        ("PinNumber", "pin_number"),
        ("PINNumber", "pin_number"),
        ("pinnumber", "pinnumber"),
        ("X_ZTE-COM_Key", "x_zte_com_key"),
        ("  sms  ", "sms"),
        ("\tsms\n", "sms"),
        ("s\u200bm\u200cs\u200d", "sms"),
        ("\ufeffsms", "sms"),
        ("s\u00adms", "sms"),
        ("s\u2060ms\u2066\u2069", "sms"),
        ("\u202esms\u202c", "sms"),
        ("s\u0000m\u007fs\u0085", "sms"),
        ("s\u180em\ufe0fs\u034f", "sms"),
        ("\uff33\uff2d\uff33", "sms"),
        ("\u24e2\u24dc\u24e2", "sms"),
        ("\ufb01le", "file"),
        ("", ""),
        ("___", ""),
        ("\u65e5\u672c", "\u65e5\u672c"),
    ],
    ids=ascii,
)
def test_a_name_has_one_spelling(name: str, expected: str) -> None:
    """NFKC, nothing invisible, camelCase split, one separator, lower case (1.7.1, steps 2 and 3)."""
    assert expected == normalise(name)


def test_nothing_invisible_hides_a_name() -> None:
    """Control and zero-width characters, marks of direction, joiners, variations and tags, each of them."""
    control = [*range(0x20), *range(0x7F, 0xA0)]
    zero_width = [0xAD, 0x34F, 0x61C, *range(0x180B, 0x1810), *range(0x200B, 0x2010), *range(0x2060, 0x2070), 0xFEFF]
    others = [*range(0x2028, 0x202F), *range(0xFE00, 0xFE10), *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0200)]

    assert [] == [hex(code) for code in (*control, *zero_width, *others) if "sms" != normalise(f"s{chr(code)}ms")]


def test_a_capital_begins_a_word_whichever_letter_it_is() -> None:
    """After a small letter, after a digit, and as the last of several (1.7.1, step 3)."""
    for small in ascii_lowercase:
        capital = small.upper()
        assert f"{small}_{small}" == normalise(f"{small}{capital}")
        assert f"{small}_{small}{small}" == normalise(f"{capital}{capital}{small}")
        assert [f"{n}_{small}{small}" for n in range(10)] == [normalise(f"{n}{capital}{small}") for n in range(10)]
        assert f"1_{small}{small}" == normalise(f"1{capital}{capital}")


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_any_text_has_one_spelling(text: str) -> None:
    """Which has nothing left to strip, and which separators around it do not change."""
    found = normalise(text)

    assert found == found.strip("_")
    assert "__" not in found
    assert found == normalise(f"\u200b{text}\u2060")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Device.PPP.Interface.1.Password", "device_ppp_interface_{i}_password"),
        ("Device.PPP.Interface.{i}.Password", "device_ppp_interface_{i}_password"),
        ("Device.WiFi.SSID.12.Stats.3.MACAddress", "device_wi_fi_ssid_{i}_stats_{i}_mac_address"),
        ("A.1.2.B.3", "a_{i}_{i}_b_{i}"),
        ("WEPKey.4", "wep_key_{i}"),
        ("X.5G.1", "x_5g_{i}"),
    ],
    ids=str,
)  # fmt: skip
def test_instance_numbers_of_a_path_are_all_the_same(path: str, expected: str) -> None:
    """1.7.1, step 4."""
    assert expected == normalise_path(path)


# ------------------------------------------------------------------------------------------- the names of the catalogue


def test_every_refused_name_is_counted_as_its_family_says() -> None:
    """Names and envelopes, plain; where two families claim one spelling, the first has it."""
    first: dict[str, str] = {}
    for family in catalogue().refused:
        for name in (*family.names, *family.envelopes):
            first.setdefault(normalise(name), family.treatment)

    assert {name: treatment for name, treatment in first.items() if counted(name) != treatment} == {}


def test_every_refused_path_is_counted_with_any_instance_numbers() -> None:
    """In full, and by its last two names, as shortened by firmware (1.7.1, step 4)."""
    missed = []
    for family in catalogue().refused:
        for path in family.paths:
            whole = path.replace("{i}", "27").replace(".*", ".Any.3.Thing")
            short = ".".join([step for step in path.split(".") if step != "{i}"][-2:])
            spellings = [whole, *(whole.replace(".", separator) for separator in "/_:- ")]
            spellings += [] if path.endswith("*") else [short, f"X.{short}", f"Vendor.Y.9.{short}"]
            missed += [spelling for spelling in spellings if counted(spelling) != family.treatment]

    assert [] == missed


@pytest.mark.parametrize(
    "name",
    [
        *("sms", "SMS", "smsList", "sms-list", "SmsContent", "sms.content", "MESSAGE_CONTENT", "messageContent"),
        *("contacts", "Contacts", "contact-list", "pbm_name", "PbmName", "phoneBook", "vcard"),
        *("msisdn", "MSISDN", "phoneNumber", "phone number", "simSerialNumber", "tel", "callLog"),
        *("latitude", "Longitude", "gpsLatitude", "lon", "bssid", "neighbors", "scanResults"),
        *("wifiPassword", "wifi-password", "WPAPSK1", "passPhrase", "psk", "KeyPassphrase", "wps_pin"),
        *("pppoe_password", "APN_config7", "apn", "wan_apn", "pppPassword"),
        *("password", "PIN", "PUK", "PinNumber", "PUKNumber", "token", "cookie", "privateKey"),
        *("station_list", "connectedDevices", "hostNameList", "childGroupList", "PortForwardRules_3"),
        *(
            "tr069_ReqURL",
            "syslog",
            "AdditionalText",
            "clipboard",
            "photos",
            "e-mail",
            "nickname",
            "signal_detect_record_0",
        ),
    ],
)
def test_what_must_stay_on_the_router_is_known_in_many_spellings(name: str) -> None:
    """A hand-picked list, so that not only the catalogue says what it should hold (1.7.3, 1.7.6)."""
    assert "local_only" == counted(name)


@pytest.mark.parametrize(
    "name",
    [
        *("WPAPSK1_ui", "WPAPSK1_encode", "m_WPAPSK1", "m_WPAPSK1_encode", "EX_WPAPSK1", "WPAPSK2", "wpapsk17"),
        *("password_5g", "Password_2G", "password_24g", "password_web", "sms_flag", "cstm_password", "mc_token"),
        *("ipv6_ppp_passwd_ui", "network_password", "flux_token", "sim_pin", "wifi_chip3_ssid9_password"),
        *("wifi_chip1_ssid1_password_encode_ui", "X_ZTE-COM_KeyPassphrase", "X_ZTE_COM_Password1", "latitude2"),
        *("Device.WiFi.AccessPoint.1.Security.X_ZTE-COM_KeyPassphrase", "x.v3t_1_msisdn"),
    ],
)
def test_decorations_hide_no_name(name: str) -> None:
    """Known suffixes, prefixes and trailing digits are stripped (1.7.1, step 5)."""
    assert "local_only" == counted(name)


@pytest.mark.parametrize(
    "name",
    ["wireless.default_radio0.key", "wireless.@wifi-iface[0].key", "wireless.ap1.sae_password", "network.wan.password"],
)
def test_uci_sections_may_be_called_anything(name: str) -> None:
    """`wireless.*.key` (L7)."""
    assert "local_only" == counted(name)


# ------------------------------------------------------------------------------------------------------- false friends


@pytest.mark.parametrize(
    "name",
    [
        *("pinnumber", "puknumber", "psw_fail_num_str", "login_lock_time", "password_remind"),
        *("web_wifi_password_remind", "pin_status", "PasswordRequired", "PINCheck", "HexadecimalPassword"),
        *("IPCP.PassthroughEnable", "Device.PPP.Interface.1.IPCP.PassthroughEnable", "PassthroughEnable"),
        *("Passpoint.Enable", "Passpoint", "Device.WiFi.AccessPoint.1.Security.RekeyingInterval", "RekeyingInterval"),
        *("WepKeyIndex", "ssid_index", "sms_para_mem_store", "wifi_anti_brute_force_attack_func"),
        *("wifi_password_strength", "wifiPasswordStrength", "wifi_password_strength_2g", "password_strength_1"),
        *("Device.WiFi.SSID.1.SSID", "Device.DeviceInfo.UpTime", "passthrough", "keyboard", "smsc_count", "tokenizer"),
        *("pinnumber_ui", "m_pinnumber", "puknumber1", "contactless", "position_error", "authentic", "location_area"),
    ],
)
def test_false_friends_are_no_defect_of_the_router(name: str) -> None:
    """They look like secrets and are none; no name is matched by a part of it (1.7.7; 1.7.1, rule 8)."""
    assert "local_only" != counted(name)


def test_letter_case_tells_a_secret_from_a_counter() -> None:
    """`PinNumber` is the PIN, `pinnumber` the attempts left."""
    assert ("local_only", "unknown") == (counted("PinNumber"), counted("pinnumber"))
    assert ("local_only", "unknown") == (counted("PUKNumber"), counted("puknumber"))


# ---------------------------------------------------------------------------------------------------------- bare names

BARE = sorted({normalise(name) for family in catalogue().refused for name in family.bare})


@pytest.mark.parametrize("name", BARE)
def test_a_bare_name_alone_says_nothing(name: str) -> None:
    """`id`, `name`, `key` and their like are in every document (1.7.1, rule 7)."""
    assert "unknown" == counted(name)
    assert {"unknown": 1} == removed_of(minimal_document(x={name: 1}))


def test_a_bare_name_beside_one_of_its_family_is_counted() -> None:
    """As `number` beside `draft_group_id`: one message of a list."""
    missed = []
    for family in catalogue().refused:
        companions = [name for other in catalogue().refused if other.family == family.family for name in other.names]
        known = [name for name in companions if counted(name) == family.treatment]
        missed += [bare for bare in family.bare if counted(bare, known[0]) != family.treatment]

    assert [] == missed


@pytest.mark.parametrize("beside", ["ssid", "SSID", "encryption", "Encryption"])
def test_a_key_beside_a_network_name_is_a_wifi_key(beside: str) -> None:
    """Though neither is refused by itself (L7, UCI)."""
    assert "unknown" == counted(beside)
    assert "local_only" == counted("key", beside)
    assert "unknown" == counted("key", "value")
    assert "unknown" == counted("name", beside)


def test_a_bare_name_beside_one_of_another_family_says_nothing() -> None:
    """`number` beside a password is not a phone number."""
    assert "local_only" == counted("content", "sms_class")
    assert "unknown" == counted("content", "password")


def test_what_stands_in_an_envelope_counts_with_it() -> None:
    """The whole value is refused content: one removal, whatever it holds."""
    sms = {"messages": [{"id": "1", "number": "+49", "content": "x"}, {"id": "2", "date": "26,11,21"}]}

    assert {"local_only": 1} == removed_of(minimal_document(**sms))
    assert {"unknown": 1, "local_only": 1} == removed_of(minimal_document(data=sms))


def test_names_below_an_envelope_count_with_it_where_a_format_is_flat() -> None:
    """The envelope itself is gone there; its name stands in the path."""

    def flat(path: str, *beside: str) -> str:
        return NAMES.removal_of_path(path, frozenset({path.rpartition(".")[2], *beside})).value

    assert "local_only" == flat("sms.messages.1.id") == flat("answers.sms.messages.1.id")
    assert "unknown" == flat("data.messages_id") == flat("weather.id")
    assert "local_only" == flat("data.content", "sms_class")


def test_bare_names_of_a_flat_format_stand_beside_those_of_the_same_object() -> None:
    """Content in another object is not that of a message."""
    beside = [("one.sms_class", "1"), ("one.content", "x"), ("two.content", 3)]
    tally = Tally()
    Cleaner(Compiled(catalogue()), NAMES).refuse_paths(beside, tally)

    assert {Removal.LOCAL_ONLY: 2, Removal.UNKNOWN: 1} == tally.counts


# ------------------------------------------------------------------------------------------------------ what it costs


def test_long_keys_are_nobodys_name_and_are_not_remembered() -> None:
    """They cost no work and no memory (D22)."""
    before = NAMES._remembered.cache_info().currsize

    for number in range(100):
        assert "unknown" == counted(f"{number}" + "x" * 60_000)

    assert before == NAMES._remembered.cache_info().currsize


@given(st.text(max_size=40), st.lists(st.text(max_size=8), max_size=4))
@settings(max_examples=200)
def test_any_key_is_counted_somehow(name: str, beside: list[str]) -> None:
    """Never a failure, whatever the key is."""
    assert NAMES.removal_of(name, frozenset({name, *beside})) in {
        Removal.UNKNOWN,
        Removal.LOCAL_ONLY,
        Removal.NOT_COLLECTED,
    }
