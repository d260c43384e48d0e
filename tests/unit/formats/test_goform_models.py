"""Invented answers of ZTE models that no sample is of, in the spellings their readers know."""

from typing import Any

import pytest
from test_goform import Body, kept

MODELS: dict[str, tuple[Any, Body]] = {
    "MF823, a stick": (
        {"modem_main_state": "modem_init_complete", "pin_status": "0", "loginfo": "ok", "signalbar": "5",
         "network_type": "LTE", "network_provider": "Telstra", "ppp_status": "ppp_connected", "RadioOff": "",
         "simcard_roam": "Home", "battery_charging": "", "battery_vol_percent": "", "realtime_tx_bytes": "123064",
         "realtime_rx_bytes": "229674", "realtime_time": "720", "realtime_tx_thrpt": "0", "realtime_rx_thrpt": "0",
         "monthly_rx_bytes": "350813936", "monthly_tx_bytes": "67138992", "date_month": "0", "upg_roam_switch": "0"},
        {"network": {"rat": "lte", "wan_connection_state": "connected", "roaming_state": "home",
                     "wan_uptime_seconds": 720},
         "signal": {"signal_bars": 5},
         "usage": {"wan_rx_bytes_month": 350_813_936, "wan_tx_bytes_month": 67_138_992,
                   "uplink_bytes_per_second": 0, "downlink_bytes_per_second": 0}},
    ),
    "MF90, 3G": (
        {"rssi": "-65", "rscp": "-68", "ecio": "6", "lte_rsrp": "0", "network_type": "HSPA+", "signalbar": "5",
         "network_provider": "T-SEL", "spn_name_data": "00540045", "RadioOff": "1", "model_name": "MF90"},
        {"router": {"model_name": "MF90"}, "network": {"rat": "hspa"}, "wifi": {"wifi_enabled": True},
         "signal": {"rssi_dbm": -65, "rscp_dbm": -68, "ecno_db": -6, "signal_bars": 5}},
    ),
    "MC7010, no 5G here": (
        {"network_type": "LTE", "lte_rsrp": "-101", "lte_rsrq": "-15", "lte_snr": "-2.0", "lte_rssi": "-71",
         "Z5g_rsrp": "", "Z5g_SINR": "-3276.8", "nr5g_cell_id": "268435455", "simcard_roam": "mInternal",
         "ppp_dial_conn_fail_counter": "2", "upgrade_result": "error", "pinnumber": "3"},
        {"network": {"rat": "lte", "roaming_state": "home", "wan_disconnects_day": 2},
         "signal": {"rssi_dbm": -71, "rsrp_dbm": -101, "rsrq_db": -15, "sinr_db": -2}},
    ),
    "MC888, standalone 5G": (
        {"network_type": "SA", "lte_rsrp": "-44", "lte_rsrq": "-3", "lte_snr": "30", "lte_rssi": "-20",
         "Z5g_rsrp": "-86", "Z5g_rsrq": "-11", "Z5g_SINR": "18.5", "rmcc": "222", "rmnc": "50", "cell_id": "1234d",
         "wifi_chip1_ssid1_switch_onoff": "1", "wifi_chip2_ssid1_switch_onoff": "0"},
        {"network": {"plmn": "22250", "rat": "nr_sa"},
         "signal": {"rsrp_dbm": -86, "rsrq_db": -11, "sinr_db": 18.5},
         "wifi": {"wifi_enabled_2g": True, "wifi_enabled_5g": False}},
    ),
    "F50, numbers of Android": (
        {"battery_charging": "1", "battery_vol_percent": "100", "battery_value": "100", "battery_pers": "",
         "flux_monthly_tx_bytes": 2_675_052_511, "flux_monthly_rx_bytes": 23_600_180_829, "network_type": "20",
         "Z5g_rsrp": "-84", "flux_realtime_rx_thrpt": "1024", "flux_realtime_tx_thrpt": "512"},
        {"network": {"rat": "nr_sa"}, "signal": {"rsrp_dbm": -84},
         "power": {"battery_percent": 100, "battery_charging": True},
         "usage": {"wan_rx_bytes_month": 23_600_180_829, "wan_tx_bytes_month": 2_675_052_511,
                   "uplink_bytes_per_second": 512, "downlink_bytes_per_second": 1024}},
    ),
    "G5TS, calls of ubus": (
        [{"jsonrpc": "2.0", "id": 1, "result": [0, {
            "network_type": "ENDC", "net_select": "LTE_AND_5G", "signalbar": "4", "lte_rsrp": -71, "lte_rsrq": -11,
            "lte_snr": "19.5", "lte_rssi": -62, "rmcc": 262, "rmnc": 3, "lte_band": "1,3,7", "nr5g_rsrp": -82}]},
         {"jsonrpc": "2.0", "id": 2, "result": [0, {
            "real_tx_speed": 1200, "real_rx_speed": 25_000, "real_time": 4000}]},
         {"jsonrpc": "2.0", "id": 3, "error": {"code": -32002, "message": "Access denied"}}],
        {"network": {"plmn": "26203", "rat": "nr_nsa", "wan_uptime_seconds": 4000},
         "signal": {"rssi_dbm": -62, "rsrp_dbm": -71, "rsrq_db": -11, "sinr_db": 19.5, "signal_bars": 4},
         "usage": {"uplink_bytes_per_second": 1200, "downlink_bytes_per_second": 25_000}},
    ),
    "MF286D, two carriers": (
        {"network_type": "4G+", "lte_rsrp": "-88", "lte_snr": "14", "rmcc": "250", "rmnc": "01", "sta_count": "7",
         "m_sta_count": "0", "ppp_status": "ppp_connecting", "wifi_lbd_enable": "0", "sysIdleTimeToSleep": "-1"},
        {"network": {"plmn": "25001", "rat": "lte_ca", "wan_connection_state": "connecting"},
         "signal": {"rsrp_dbm": -88, "sinr_db": 14},
         "wifi": {"wifi_station_count": 7, "guest_station_count": 0, "wifi_band_steering_enabled": False,
                  "wifi_idle_timeout_minutes": 0}},
    ),
    "MF289F, odd values": (
        {"network_type": "LTE-A", "lte_rsrp": "-1", "lte_rsrq": "-7", "lte_snr": "255", "lte_rssi": "-113",
         "signalbar": "6", "battery_vol_percent": "255", "monthly_rx_bytes": "18446744073709551615",
         "realtime_time": "99999999999", "network_provider": "中国移动"},
        {"network": {"rat": "lte_ca"}, "signal": {"rssi_dbm": -113, "rsrq_db": -7}},
    ),
    "MU5001, a session that ends": (
        {"loginfo": "no", "network_type": "", "lte_rsrp": "", "signalbar": "", "ppp_status": "",
         "battery_vol_percent": ""},
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_says_is_kept(model: str) -> None:
    """All of it that may be, and no more."""
    said, expected = MODELS[model]

    assert expected == kept(said)
