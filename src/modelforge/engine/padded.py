"""Padded batches, as TRL's trainers make them, through the engine: the padding is left out and put back."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from modelforge.engine.engine import Documents, Engine
from modelforge.engine.loss import Told
from modelforge.engine.packing import rows_of


def documents_of(
    input_ids: Tensor, attention_mask: Tensor, targets: Tensor, limit: int
) -> list[tuple[Documents, Tensor]]:
    """The rows of a padded batch, end to end in rows of about ``limit`` tokens, each with the places of its tokens in
    the flattened batch. All are of shape (rows, tokens)."""
    real = attention_mask.bool().cpu()
    lengths = real.sum(1).tolist()
    width = input_ids.shape[1]
    made = []
    for group in rows_of(lengths, limit):
        places = torch.cat([at * width + real[at].nonzero()[:, 0] for at in group]).to(input_ids.device)
        positions = torch.cat([torch.arange(lengths[at]) for at in group])
        sizes = torch.tensor([lengths[at] for at in group])
        made.append((Documents(input_ids.flatten()[places], targets.flatten()[places], positions, sizes), places))
    return made


def told_of_rows(engine: Engine, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, limit: int) -> Told:
    """What the model makes of the tokens of a padded batch that have a label, of shape (rows, tokens - 1): the first
    token of a row is never predicted. 0 where there is no label.

    ``input_ids``, ``attention_mask`` and ``labels`` (negative where nothing is to be predicted) are (rows, tokens).
    """
    targets = torch.full_like(labels, -1)
    targets[:, :-1] = labels[:, 1:]
    found: dict[str, list[Tensor]] = {field.name: [] for field in fields(Told)}
    where = []
    for documents, places in documents_of(input_ids, attention_mask, targets, limit):
        told = engine.told(documents)
        where.append(places[documents.targets >= 0])
        for name, parts in found.items():
            parts.append(getattr(told, name))
    at = torch.cat(where)

    def spread(parts: list[Tensor]) -> Tensor:
        values = torch.cat(parts)
        return values.new_zeros(labels.numel()).index_put((at,), values).view_as(labels)[:, :-1]

    return Told(**{name: spread(parts) for name, parts in found.items()})
