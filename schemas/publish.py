"""Write the published JSON Schema files from the models: `python -m schemas.publish`."""

import json
from pathlib import Path
from typing import Final

from schemas import charger, gateway, quota, reading

PUBLISHED: Final[dict[str, type[reading.Wire]]] = {
    "electricity-reading.v1": reading.ElectricityReading,
    "electricity-batch.v1": reading.ElectricityBatch,
    "water-reading.v1": reading.WaterReading,
    "water-batch.v1": reading.WaterBatch,
    "charger-reading.v1": reading.ChargerReading,
    "charger-batch.v1": reading.ChargerBatch,
    "gateway-batch.v1": reading.GatewayBatch,
    "charger-session.v1": charger.ChargerSession,
    "charger-status.v1": charger.ChargerStatus,
    "charger-status-code.v1": charger.ChargerStatusCode,
    "charger-statuses.v1": charger.ChargerStatuses,
    "gateway-status.v1": gateway.GatewayStatus,
    "quota-alert.v1": quota.QuotaAlert,
}
"""Payload name and version -> model; the file is `<name>.schema.json`, the examples are `examples/<name>/`."""

FOLDER: Final = Path(__file__).parent


def text(name: str) -> str:
    """The schema file of one payload, as it is published."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **PUBLISHED[name].model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every file."""
    for name in PUBLISHED:
        (FOLDER / f"{name}.schema.json").write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
