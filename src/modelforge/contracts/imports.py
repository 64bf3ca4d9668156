"""What is brought in from elsewhere, and the samples that ship with the package, as clients see them."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from modelforge.contracts.base import Contract, Request, example
from modelforge.contracts.dataset import ReadOptions

SOURCES = ("hub", "path", "sample")
_HUB_ONLY = ("config", "split", "revision")


class ImportRequest(Request, ReadOptions):
    """Where a dataset comes from: exactly one of ``hub``, ``path`` and ``sample``."""

    model_config = example(hub="ada/faq", config="default", split="train")

    hub: str | None = Field(None, min_length=1, max_length=200)
    """A dataset on the Hugging Face hub, by ``owner/name``."""
    path: str | None = Field(None, min_length=1, max_length=4096)
    """A file on the server's machine, or a folder, of which every file that can be read is taken, in the order of their
    names. It must lie where the server reads for you."""
    sample: str | None = Field(None, min_length=1, max_length=100)
    """A dataset that ships with ModelForge: ``GET /api/samples`` has them all."""
    config: str | None = Field(None, min_length=1, max_length=200)
    """Which configuration of the hub's dataset; only needed where it has several and names no default."""
    split: str | None = Field(None, min_length=1, max_length=200)
    """Which split of it. Default: ``train`` where there is one, or the only one."""
    revision: str | None = Field(None, min_length=1, max_length=200)
    """A branch, tag or commit of it. The commit is kept with the dataset."""
    name: str | None = Field(None, min_length=1, max_length=255)
    """What the dataset is called here. Default: by the file, the folder, or the hub's name and the split."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            what = " and ".join(given) if given else "none of them"
            raise ValueError(f"say where the data comes from by one of {', '.join(SOURCES)}; here is {what}")
        stray = [name for name in _HUB_ONLY if self.hub is None and getattr(self, name) is not None]
        if stray:
            raise ValueError(f"{stray[0]}: only a dataset of the hub has one; leave it out, or give hub")
        return self


_DEMO: dict[str, Any] = {
    "name": "demo",
    "title": "The help desk of Moth & Lantern",
    "about": "Questions to a small maker of bicycle lamps, with its answers.",
    "filename": "demo.jsonl",
    "task": "text-generation",
    "strategies": ["sft", "qlora"],
    "fields": ["input", "output"],
    "rows": 199,
    "licence": "Apache-2.0",
    "origin": "Written by hand for ModelForge.",
}


class Sample(Contract):
    """A dataset that ships with ModelForge, by its card."""

    model_config = example(**_DEMO)

    name: str
    """Under which it is imported."""
    title: str
    """What it is, in a few words."""
    about: str
    """What stands in it, and what it shows."""
    filename: str
    """What the dataset is called once it is imported."""
    task: str
    """What a model learns from it."""
    strategies: list[str]
    """How it can be trained on."""
    fields: list[str]
    """What every row has."""
    rows: int
    """How many there are."""
    licence: str
    """Under which it may be used, by SPDX's name."""
    origin: str
    """Who made it, and how."""


class SampleList(Contract):
    """The datasets that ship with ModelForge."""

    model_config = example(samples=[_DEMO], total=1)

    samples: list[Sample]
    """All of them."""
    total: int = 0
    """How many there are."""
