"""Rows of a dataset as a model sees them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from modelforge.api.deps import Here, Roots
from modelforge.api.errors import replies
from modelforge.api.routes.datasets import Filename
from modelforge.contracts.preview import DatasetPreview, PreviewRequest
from modelforge.jobs import preview as previews

router = APIRouter(prefix="/api/datasets", tags=["datasets"])


@router.post("/{filename}/preview", summary="Rows as a model sees them", responses=replies(404, 413, 415))
async def preview(
    here: Here, roots: Roots, filename: Filename, request: Annotated[PreviewRequest, Body()]
) -> DatasetPreview:
    """Token by token, through the model's chat template: what is trained and what is only read, what is cut, what is
    held out, and how examples are packed. It is the training's own code that says so, without the training."""
    return await previews.preview(filename, request, here.settings, here.database, here.hardware, here.probe, roots)
