"""The server's settings: the only reader of ``MODELFORGE_*`` and of the configuration file.

A flag wins over the environment, the environment over the file (``MODELFORGE_CONFIG``, else ``modelforge.toml`` in
the home folder), the file over the defaults.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from modelforge.errors import InvalidRequest, did_you_mean

NO_FLAG = ("server_url", "api_key")
"""Settings that ``serve`` has no flag for: they are for the other commands, and one is a secret."""


class Settings(BaseSettings):
    """Where ModelForge keeps its things and how it serves."""

    model_config = SettingsConfigDict(
        env_prefix="MODELFORGE_", env_ignore_empty=True, use_attribute_docstrings=True, extra="forbid"
    )

    home: Path = Field(default_factory=lambda: Path.home() / ".modelforge")
    """The folder of the database, datasets, runs and models."""
    host: str = "127.0.0.1"
    """The address to listen on. Anything but a loopback address lets the network in, and needs an API key."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    database_url: str = ""
    """SQLAlchemy URL of the database; an SQLite file in the home folder when not given. One with a password belongs in
    the environment or the file: what a command line holds, every user of the machine can read."""
    max_upload_mb: int = Field(20_000, ge=1)
    """Largest upload, in units of 1 000 000 bytes."""
    upload_expiry_hours: float = Field(24.0, gt=0)
    """Hours after which an upload in pieces is removed that nothing came of, and that was not made a dataset."""
    data_roots: Annotated[list[Path], NoDecode] = Field(default_factory=list)
    """Folders that datasets and models given by path must lie in, separated as in PATH, besides the home folder. When
    not given, a user of this machine may also name what lies in the home of the server's user, where the server is on
    loopback, has no API key, and is asked straight."""
    trash_days: float = Field(7.0, ge=0)
    """Days that a deleted model can be brought back; 0 deletes at once."""
    allow_remote_code: bool = False
    """Let requests run Python code that comes with a model (``trust_remote_code``). It can do what the server's user
    can."""
    allowed_origins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Origins of pages on other sites that may use the API, separated by commas."""
    allowed_hosts: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Host names under which the server may be reached, besides IP addresses and names without a dot; by commas."""
    root_path: str = ""
    """The path under which a reverse proxy shows the server."""
    forwarded_allow_ips: str = "127.0.0.1"
    """Addresses of reverse proxies whose forwarded headers are believed, separated by commas."""
    server_url: str = ""
    """A server elsewhere, whose address this is: commands use it instead of the home folder. Only in the environment or
    the file."""
    api_key: SecretStr = SecretStr("")
    """The key for that server. Only in the environment or the file: what a command line holds, every user of the
    machine can read."""
    stop_timeout: float = Field(30.0, gt=0)
    """Seconds that a worker gets to finish its step and save, before it is killed."""
    max_listeners: int = Field(500, ge=1)
    """How many clients may listen on the WebSocket at once."""
    stall_timeout: float = Field(600.0, gt=0)
    """Seconds of silence after which a worker counts as stalled."""
    stop_stalled: bool = False
    """End a worker that counts as stalled; its run fails, and can be resumed from its last checkpoint."""
    auto_resume: bool = True
    """Take up runs again that ended with the server, from their last checkpoint."""
    generate_timeout: float = Field(120.0, gt=0)
    """Seconds after which a generation ends with what there is, unless the request says otherwise."""
    inference_memory_mb: int = Field(0, ge=0)
    """Memory for the models that the playground keeps loaded, in units of 1 000 000 bytes; 0: half of what is free."""
    probe_idle_seconds: float = Field(300.0, ge=0)
    """Seconds without a preview after which the process that makes them ends; the next one starts it again."""

    @field_validator("data_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("allowed_origins", "allowed_hosts", mode="before")
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("allowed_origins")
    @classmethod
    def _as_browsers_write_them(cls, value: list[str]) -> list[str]:
        return [origin.lower().rstrip("/") for origin in value]

    @field_validator("server_url")
    @classmethod
    def _as_clients_take_it(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// or http://")
        return value.rstrip("/")

    @field_validator("root_path")
    @classmethod
    def _as_paths_begin(cls, value: str) -> str:
        path = value.strip("/")
        return f"/{path}" if path else ""

    @property
    def database(self) -> str | Path:
        """The database's URL, or the SQLite file's path."""
        return self.database_url or self.home / "modelforge.db"

    @property
    def runs(self) -> Path:
        """A folder per job."""
        return self.home / "runs"

    @property
    def models(self) -> Path:
        """A folder per trained model."""
        return self.home / "models"

    @property
    def trash(self) -> Path:
        """A folder per deleted model. Among the models: on another disk nothing could be moved there and back."""
        return self.models / ".trash"

    @property
    def datasets(self) -> Path:
        """A folder per uploaded file."""
        return self.home / "datasets"

    @property
    def scratch(self) -> Path:
        """Uploads under way; emptied at start."""
        return self.home / "scratch"

    @property
    def uploads(self) -> Path:
        """A folder per upload in pieces; they outlive the server."""
        return self.home / "uploads"

    @property
    def on_loopback(self) -> bool:
        """Whether this machine alone can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def make_folders(self) -> None:
        """Create the home folder and its rooms, for its owner's eyes only."""
        for folder in (self.home, self.runs, self.models, self.trash, self.datasets, self.scratch, self.uploads):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise InvalidRequest(
                    f"home folder {self.home} cannot be used: {error.strerror}. Set MODELFORGE_HOME to a folder that "
                    "can be written."
                ) from error


def _config_file(home: Path) -> dict[str, Any]:
    named = os.environ.get("MODELFORGE_CONFIG")
    path = Path(named).expanduser() if named else home / "modelforge.toml"
    if not path.is_file():
        if named:
            raise InvalidRequest(f"MODELFORGE_CONFIG names {path}, which is not a file")
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path}: {error}") from error
    for name in values:
        if name not in Settings.model_fields:
            hint = did_you_mean(name, Settings.model_fields)
            raise InvalidRequest(f"{path}: there is no setting '{name}'.{hint}")
    return values


def load_settings(**flags: Any) -> Settings:
    """The settings from flags (None: not given), environment, file and defaults; raises InvalidRequest in words."""
    given = {name: value for name, value in flags.items() if value is not None}
    home = given.get("home") or os.environ.get("MODELFORGE_HOME") or Path.home() / ".modelforge"
    filed = {
        name: value
        for name, value in _config_file(Path(home).expanduser()).items()
        if not os.environ.get(f"MODELFORGE_{name.upper()}")
    }
    try:
        return Settings(**{**filed, **given})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise InvalidRequest(f"setting {name} (MODELFORGE_{name.upper()}): {first['msg']}") from error
