"""The server's settings: flags before environment before file before defaults."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from alerts.core.zones import grid

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_PREFIX = "AMS_"


class ConfigurationError(Exception):
    """A setting that cannot be used; the message names the key, the value and what was expected."""


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("without an offset")
    return moment.astimezone(UTC)


def _zone(value: object) -> object:
    if not isinstance(value, str):
        raise TypeError("not a text")
    grid(value)
    return value


def _address(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, separator, port = value.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit():
        raise ValueError("not HOST:PORT")
    if int(port) > 65535:  # noqa: PLR2004 - the highest port there is
        raise ValueError("no such port")
    return (host.strip("[]"), int(port))


def _scheme(*schemes: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and value.partition("://")[0] not in schemes:
            raise ValueError("another scheme")
        return value

    return BeforeValidator(check)


def _directory(value: Path) -> Path:
    """Take a directory that is there, or that can be made."""
    there = next(path for path in (value, *value.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError("cannot be written to")
    return value


def _file(value: Path) -> Path:
    """Take a file that can be written: its directory is there."""
    parent = value.absolute().parent
    if value.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise ValueError("cannot be written")
    return value


# What each setting expects, for messages and --help alike.
EXPECTED = {
    "data_dir": "a directory that can be written to",
    "database": "a postgresql:// URL",
    "broker": "an mqtt:// or mqtts:// URL",
    "broker_ca": "a file of certificates (PEM)",
    "broker_certificate": "a client certificate (PEM)",
    "broker_key": "the client certificate's key (PEM)",
    "mqtt_host": "a host name or address",
    "mqtt_port": "a port from 0 to 65535",
    "http": "HOST:PORT",
    "registry": "a registry file or directory",
    "ready_file": "a file in a directory that is there and can be written to",
    "accept_from": "a time with its offset, such as 2026-01-01T00:00:00Z",
    "retention": "a whole number of days, 1 or more",
    "reporting_zone": "an offset such as +05:00 (a multiple of 5 minutes) or an IANA zone name",
    "notice_expiry": "a whole number of days, 1 or more",
}


class Settings(BaseSettings):
    """Everything that `ams-server` can be told; each field is an option, a key, a variable."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    data_dir: Annotated[Path, AfterValidator(_directory)] = Path("ams-data")
    database: Annotated[str, _scheme("postgresql", "postgres")] | None = None
    broker: Annotated[str, _scheme("mqtt", "mqtts")] | None = None
    broker_ca: Path | None = None
    broker_certificate: Path | None = None
    broker_key: Path | None = None
    mqtt_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    mqtt_port: Annotated[int, Field(ge=0, le=65535)] = 1883
    http: Annotated[tuple[str, int], NoDecode, BeforeValidator(_address)] = ("127.0.0.1", 8080)
    registry: Path | None = None
    ready_file: Annotated[Path, AfterValidator(_file)] | None = None
    accept_from: Annotated[datetime, BeforeValidator(_instant)] | None = None
    retention: Annotated[int, Field(ge=1, le=1_000_000)] = 90
    reporting_zone: Annotated[str, BeforeValidator(_zone)] = "+05:00"
    notice_expiry: Annotated[int, Field(ge=1, le=3650)] = 7


def load_settings(flags: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Return the settings from flags (None: not given), environment and a TOML file.

    Raises:
        ConfigurationError: a key, a value or the file itself cannot be used.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    file = _read(config) if config else {}

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base's signature
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, env_settings, InitSettingsSource(settings_cls, file))

    try:
        return Sourced(**given)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, given, file, config)) from error


def _read(config: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"--config {config}: {error.strerror}, a TOML file expected"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--config {config}: not TOML: {error}") from error
    keys = {key.replace("-", "_"): value for key, value in document.items()}
    unknown = [key for key in document if key.replace("-", "_") not in Settings.model_fields]
    if unknown:
        known = ", ".join(sorted(name.replace("_", "-") for name in Settings.model_fields))
        given = f"{unknown[0]} = {document[unknown[0]]!r}"
        raise ConfigurationError(f"{config}: {given}: no such key, one of {known} expected")
    return keys


def _explain(
    error: ValidationError, flags: Mapping[str, Any], file: Mapping[str, Any], config: Path | None
) -> str:
    problem = error.errors()[0]
    key = str(problem["loc"][0])
    key = key.lower().removeprefix(ENVIRONMENT_PREFIX.lower())
    option = key.replace("_", "-")
    if key in flags:
        name, value = f"--{option}", flags[key]
    elif key in file and f"{ENVIRONMENT_PREFIX}{key.upper()}" not in _environment():
        name, value = f"{config}: {option}", file[key]
    else:
        name, value = f"{ENVIRONMENT_PREFIX}{key.upper()} ({option})", problem["input"]
    return f"{name}: {_masked(str(value))!r} given, {EXPECTED.get(key, problem['msg'])} expected"


def _environment() -> set[str]:

    return {name.upper() for name in os.environ}


def _masked(value: str) -> str:
    """Return the value without a password in it."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", value)
