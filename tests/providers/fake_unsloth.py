"""A stand-in for unsloth: its entrances, over plain transformers and PEFT; it tells the log what it is asked."""

import json
import os
import sys

REWRITTEN = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def _tell(what, **values):
    print("FAKE", what, json.dumps(values, default=str), flush=True)


_tell(
    "imported",
    python=sys.executable,
    before=[name for name in REWRITTEN if name in sys.modules],
    statistics=os.environ.get("UNSLOTH_DISABLE_STATISTICS"),
    cache=os.environ.get("UNSLOTH_COMPILE_LOCATION"),
)


class FastLanguageModel:
    @staticmethod
    def from_pretrained(model, **options):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        _tell("from_pretrained", model=model, **options)
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=options["dtype"])
        return loaded, AutoTokenizer.from_pretrained(model)

    @staticmethod
    def get_peft_model(model, **options):
        from peft import LoraConfig, get_peft_model

        _tell("get_peft_model", **options)
        own = ("use_gradient_checkpointing", "random_state", "temporary_location")
        config = LoraConfig(
            task_type="CAUSAL_LM", **{name: value for name, value in options.items() if name not in own}
        )
        return get_peft_model(model, config)

    @staticmethod
    def patch_peft_model(model, use_gradient_checkpointing):
        return model
