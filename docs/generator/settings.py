"""``settings.md``: every setting of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from generator.markdown import code, literal, page, table
from generator.schema import rule_of, type_of
from modelforge.cli.flags import flag_of
from modelforge.settings import NO_FLAG, Settings

PREFIX = Settings.model_config["env_prefix"]
INTRO = f"""\
A setting is given, the first of these wins: as a flag of [`modelforge serve`](cli.md#modelforge-serve) \
(`--max-upload-mb`), in the environment (`{PREFIX}MAX_UPLOAD_MB`), in the configuration file (`max_upload_mb`), or not \
at all: then the default stands.

Every other command reads the same environment and the same file; before the command it takes `--home`."""
FILE = """\
## The configuration file

TOML, named by `MODELFORGE_CONFIG`, else `modelforge.toml` in the home folder. Names are in lower case and without the \
prefix; a name that is no setting is refused. Paths separated as in PATH and names separated by commas may also be \
written as lists."""
EXAMPLE = """\
port = 8080
max_upload_mb = 2000
data_roots = ["/srv/data", "/srv/models"]
allowed_hosts = ["forge.example.org"]"""
OTHERS = """\
## Not ours, but heard

`HF_TOKEN`, `HF_HOME` and `HF_HUB_OFFLINE=1` mean to ModelForge's processes what they mean to the Hugging Face hub's \
own client: a token for gated and private models, the folder of its cache, and never to ask the hub. \
`CUDA_VISIBLE_DEVICES` chooses among several NVIDIA GPUs, by their numbers."""


def settings() -> str:
    """The page."""
    schema = Settings.model_json_schema()
    header = ("environment", "flag", "type", "default", "rule", "meaning")
    rows = []
    for name, field in Settings.model_fields.items():
        known = schema["properties"][name]
        rows.append(
            (
                f"`{PREFIX}{name.upper()}`",
                "none" if name in NO_FLAG else f"`{flag_of(name)}`",
                type_of(known),
                _default(field.get_default(call_default_factory=True)),
                rule_of(known),
                known["description"],
            )
        )
    return page("Settings", INTRO, table(header, rows), FILE, code(EXAMPLE, "toml"), OTHERS)


def _default(value: Any) -> str:
    if isinstance(value, Path):
        return f"`~/{value.relative_to(Path.home()).as_posix()}`"
    return "none" if value in ("", [], SecretStr("")) else literal(value)
