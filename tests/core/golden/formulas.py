"""Formulas: standard conditions, volumes to masses, American rates."""

from __future__ import annotations

import numpy as np

from alerts.core import conditions as c
from alerts.core import quantities as q
from tests.core.golden import VECTORS, Given, check, one, rounded


@check("N1", "N2", "N4", "N8")
def reference_oxygen(given: Given) -> float:
    air = given.get("base", 21)
    found = c.to_reference_oxygen(one(given["C"]), given["O2"], given["O2ref"], air=air)
    return float(found.item())


@check("N6")
def standard_state(given: Given) -> float:
    return float(c.to_standard_state(one(given["C"]), given["t_C"] + 273.15, given["p_kPa"]).item())


@check("N7")
def dry(given: Given) -> float:
    return float(c.to_dry(one(given["C"]), given["h"]).item())


@check("N9")
def dry_oxygen(given: Given) -> float:
    return float(c.to_dry(one(given["O2_wet"]), given["h"]).item())


@check("P_SO2", "P_NO2", "P_CO", "P_HCl", "P_NH3")
def parts_per_million(given: Given) -> float:
    return rounded(q.mass_concentration(one(given["ppm"]), given["M"]), 4)


@check("P_SO2_HJ")
def chinese_parts_per_million(given: Given) -> float:
    found = q.mass_concentration(one(given["ppm"]), 64, molar_volume=q.HJ_MOLAR_VOLUME)
    return rounded(found, 4)


@check("P_NOx_HJ")
def nox_of_ppm(given: Given) -> float:
    return float(q.nox_of_ppm(one(given["NO"]), given["NO2"]).item())


@check("P_NOx_HJ21")
def nox_of_mass(given: Given) -> float:
    return float(q.nox_of_mass(one(given["NO"]), given["NO2"]).item())


HJ_STATE = {"reference_temperature": 273.0, "reference_pressure": 101.325}


def chinese_state(given: Given) -> tuple[float, float]:
    """Temperature [K] and pressure [kPa] as HJ 212 has them: 273, barometer + static."""
    return given["ts"] + 273, (given["Ba"] + given["Ps"]) / 1000


@check("H1")
def chinese_standard_state(given: Given) -> float:
    found = c.to_standard_state(one(given["Cs"]), *chinese_state(given), **HJ_STATE)
    return float(found.item())


@check("H2")
def chinese_dry(given: Given) -> float:
    return float(c.to_dry(one(given["Csn"]), given["Xsw"]).item())


@check("H3")
def chinese_oxygen(given: Given) -> float:
    of_h2 = VECTORS["H2"]["expected"]
    return float(c.to_reference_oxygen(one(of_h2), given["O2"], given["O2s"]).item())


@check("H4")
def chinese_flow(given: Given) -> dict[str, float]:
    flow = q.stack_flow(one(given["Vp"]), given["F"], profile=given["Kv"])
    standard = q.standard_flow(flow, *chinese_state(given), given["Xsw"], **HJ_STATE)
    return {"Qs": flow.item(), "Qsn": standard.item()}


@check("M1")
def mass_flow(given: Given) -> dict[str, float]:
    concentration, flow = one(given["C_mgNm3"]), given["Q_Nm3h"]
    hourly = q.kilograms_per_hour(concentration, flow)
    return {
        "kg_h": hourly.item(),
        "g_s": q.grams_per_second(concentration, flow).item(),
        "t_per_24h": q.tonnes(hourly, 24).item(),
    }


@check("U1")
def sulphur_dioxide_per_hour(given: Given) -> float:
    return rounded(q.pounds_per_hour(one(given["ppm"]), given["Qscfh"], q.SO2_POUNDS), 1)


@check("U3")
def rounded_rate(given: Given) -> float:
    return rounded(rate(given), 3)


@check("U4")
def nox_per_hour(given: Given) -> float:
    return float(q.pounds_per_hour(one(given["ppm"]), given["dscfm"] * 60, q.NOX_POUNDS).item())


@check("U5")
def rate(given: Given) -> float:
    found = q.pounds_per_heat(one(given["ppm"]), given["O2"], q.NOX_POUNDS, given["Fd"])
    return float(found.item())


@check("O1")
def order_of_averaging_and_normalising(given: Given) -> dict[str, float]:
    values, oxygen = np.array(given["C"]), np.array(given["O2"])
    each = c.to_reference_oxygen(values, oxygen, given["O2ref"]).mean()
    first = c.to_reference_oxygen(one(values.mean()), oxygen.mean(), given["O2ref"])
    return {"per_sample": float(each), "average_first": first.item()}
