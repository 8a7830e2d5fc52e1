"""Where the server is and how to ask it: flags, the environment, and the profiles of the configuration file."""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

DEFAULT_URI = "grpc://127.0.0.1:8815"
DEFAULT_TIMEOUT_SECS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One table of the configuration file."""

    uri: str | None = None
    token: str | None = None
    timeout: float | None = None  # seconds
    ca: str | None = None  # whose word is believed of a grpc+tls:// server: a PEM file
    certificate: str | None = None  # who we are, where the server wants to know by TLS: a PEM file, with its key
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a connection is made with."""

    uri: str
    timeout: float  # seconds
    token: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        """Show everything but the token."""
        return f"Settings(uri={self.uri!r}, timeout={self.timeout!r})"


def settings(given: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Choose: a flag, then a profile that a flag names, the environment, the other profile, what is built in.

    A profile's token and certificate go to that profile's server and to no other.
    """
    named = given.get("profile")
    wanted = named or environment.get("FLIGHT_PROFILE") or "default"
    profile = _profile(wanted, environment, required=wanted != "default")
    told = Profile(uri=environment.get("FLIGHT_URI"), token=environment.get("FLIGHT_TOKEN"))
    uri = _first(given.get("uri"), profile.uri if named else told.uri, told.uri, profile.uri) or DEFAULT_URI
    if profile.uri != uri:
        profile = replace(profile, token=None, certificate=None, key=None)
    return Settings(
        uri=uri,
        token=_first(given.get("token"), profile.token if named else told.token, told.token, profile.token),
        timeout=given.get("timeout") or profile.timeout or DEFAULT_TIMEOUT_SECS,
        ca=environment.get("FLIGHT_CA") or profile.ca,
        certificate=profile.certificate,
        key=profile.key,
    )


def read(path: Path) -> dict[str, Profile]:
    """Return the profiles of a configuration file; anything unknown or of a wrong type is a ``click.UsageError``."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: it cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(f"{path}: it is not TOML: {error}") from None
    profiles = {name: _table(path, name, table) for name, table in tables.items()}
    if any(profile.token for profile in profiles.values()) and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise click.UsageError(f"{path}: it holds a token and others can read it: chmod 600 {path}")
    return profiles


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown ``name``."""
    near = difflib.get_close_matches(name[:128], list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _first(*texts: str | None) -> str | None:
    return next((text for text in texts if text), None)


def _profile(name: str, environment: Mapping[str, str], *, required: bool) -> Profile:
    said = environment.get("FLIGHT_CLIENT_CONFIG")
    base = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - no home is no error
    path = Path(said or Path(base, "flight-client", "config.toml"))
    profiles = read(path) if said or path.exists() else {}
    if required and name not in profiles:
        raise click.UsageError(
            f"{path}: there is no profile {name!r}{did_you_mean(name, profiles)} (there is {', '.join(profiles) or 'none'})"
        )
    return profiles.get(name, Profile())


def _table(path: Path, name: str, table: Any) -> Profile:  # noqa: ANN401 - what TOML holds
    known = {field.name: field.type for field in fields(Profile)}
    if not isinstance(table, dict):
        raise click.UsageError(f"{path}: {name!r} must stand in a table: write [default] before it")
    for key, value in table.items():
        if key not in known:
            hint = did_you_mean(key, known)
            raise click.UsageError(f"{path}: [{name}] has an unknown key {key!r}{hint} (known: {', '.join(known)})")
        wanted = (int, float) if key == "timeout" else (str,)
        if type(value) not in wanted or not value or (key == "timeout" and not value > 0):  # the value may be a secret
            raise click.UsageError(f"{path}: [{name}] {key} must be {'seconds, above 0' if key == 'timeout' else 'text'}")
    if "uri" not in table and {"token", "certificate"} & set(table):
        raise click.UsageError(f"{path}: [{name}] has a token or certificate and no uri: say which server may see it")
    if ("key" in table) != ("certificate" in table):
        raise click.UsageError(f"{path}: [{name}] must have both certificate and key, or neither")
    return Profile(**table)
