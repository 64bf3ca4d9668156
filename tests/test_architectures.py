"""What is known of model types without loading transformers is what transformers knows."""

from __future__ import annotations

from typing import Any

import pytest

from modelforge import architectures
from modelforge.errors import InvalidRequest

WITH_PICTURES = {"layoutlmv2", "layoutlmv3", "lilt", "lxmert", "markuplm"}
"""Their question answering is about pages and pictures."""


def test_the_lists_are_those_of_transformers() -> None:
    from transformers.models.auto import modeling_auto as auto

    seq2seq = set(auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)
    assert set(auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES) - seq2seq == architectures.ENCODERS
    assert set(auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES) - WITH_PICTURES == architectures.SPAN_HEADS
    assert set(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) >= architectures.EXACT_PACKING


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "t5", "is_encoder_decoder": True}, "encoder-decoder model .* fits it is summarization"),
        ({"model_type": "bert"}, "an encoder .* fits it is extractive-question-answering"),
    ],
)
def test_what_writes_no_text_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        architectures.require_causal(config, "m", "text-generation")
    architectures.require_causal({"model_type": "bert", "is_decoder": True}, "m", "text-generation")
    architectures.require_causal({"model_type": "something-new"}, "m", "text-generation")


def test_what_has_no_head_for_spans_is_refused() -> None:
    architectures.require_span({"model_type": "llama"}, "m")
    with pytest.raises(InvalidRequest, match="a gemma model, for which transformers has no head"):
        architectures.require_span({"model_type": "gemma"}, "m")


def test_packing_is_refused_for_kinds_that_it_was_not_measured_on() -> None:
    architectures.require_exact_packing({"model_type": "llama"}, "m")
    architectures.require_exact_packing({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}, "m")
    architectures.require_exact_packing({}, "m")  # a model on the hub that could not be asked: its worker finds out
    with pytest.raises(InvalidRequest, match=r"^packing: rows of 'm', a opt model"):
        architectures.require_exact_packing({"model_type": "opt"}, "m")
