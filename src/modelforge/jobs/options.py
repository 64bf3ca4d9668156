"""Options of a request: which go together, and the defaults of those that it leaves out."""

from __future__ import annotations

from typing import Any

from modelforge.contracts.training import BITSANDBYTES_OPTIMIZERS, CHANGES_THE_BASE, TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.hardware import Hardware, quantization_obstacle
from modelforge.providers import PROVIDERS
from modelforge.settings import Settings
from modelforge.strategies import STRATEGIES
from modelforge.strategies.base import Strategy
from modelforge.tasks import TASKS
from modelforge.tasks.base import Task

COMPUTE_SPECS: dict[str, dict[str, Any]] = {
    # Four examples an optimizer step on every machine, so that the same request learns the same; a larger one takes
    # them in fewer passes.
    "low_end": {"per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "gradient_accumulation_steps": 4},
    "mid_range": {"per_device_train_batch_size": 2, "per_device_eval_batch_size": 2, "gradient_accumulation_steps": 2},
    "high_end": {"per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "gradient_accumulation_steps": 1},
}


def check_trust(config: TrainingConfig, settings: Settings) -> None:
    """Raises InvalidRequest where a model's own code would be run, and the server does not allow it."""
    if config.trust_remote_code and not settings.allow_remote_code:
        raise InvalidRequest(
            "trust_remote_code: this server runs no code that comes with a model. Leave it out; or who runs the server "
            "allows it by MODELFORGE_ALLOW_REMOTE_CODE=true, for models whose source is trusted"
        )


def check_options(config: TrainingConfig, task: Task, strategy: Strategy) -> None:
    """Raises InvalidRequest for an option that another strategy or task takes, and this one would not heed."""
    for kind, chosen, variants in (("strategy", strategy, STRATEGIES), ("task", task, TASKS)):
        owners: dict[str, list[str]] = {}
        for variant in variants:
            for field in variant.options:
                owners.setdefault(field, []).append(variant.name)
        for field, names in owners.items():
            if getattr(config, field) is not None and field not in chosen.options:
                raise InvalidRequest(
                    f"{field}: it belongs to the {kind} {' and '.join(names)}, and this request has the {kind} "
                    f"{chosen.name}; leave it out"
                )
    if config.eval_dataset is not None and config.eval_split > 0 and "eval_split" in config.model_fields_set:
        raise InvalidRequest(
            "eval_split: with an eval_dataset nothing is held out of the dataset; leave one of the two out"
        )
    if config.init_lora_weights in CHANGES_THE_BASE and config.use_lora:
        for field in ("use_4bit", "use_8bit", "use_dora", "use_rslora"):
            if getattr(config, field):
                raise InvalidRequest(
                    f"init_lora_weights: '{config.init_lora_weights}' takes the adapter's start out of the base "
                    f"weights, which {field} does not allow; use default, gaussian or orthogonal"
                )
        if config.strategy == "qlora":
            raise InvalidRequest(
                f"init_lora_weights: '{config.init_lora_weights}' takes the adapter's start out of the base weights, "
                "which cannot be done to 4-bit ones; use default, gaussian or orthogonal"
            )
    if config.init_lora_weights == "orthogonal" and config.lora_r % 2 and config.use_lora:
        raise InvalidRequest(f"lora_r: init_lora_weights 'orthogonal' needs an even number, not {config.lora_r}")
    if not config.use_lora:
        for field, off in (("use_rslora", False), ("use_dora", False), ("loraplus_lr_ratio", None)):
            if getattr(config, field) is not off:
                raise InvalidRequest(f"{field}: there is no adapter when use_lora is false; leave it out")
        if config.init_lora_weights != "default":
            raise InvalidRequest("init_lora_weights: there is no adapter when use_lora is false; leave it out")


def fill_defaults(config: TrainingConfig, task: Task, strategy: Strategy, hardware: Hardware) -> TrainingConfig:
    """The request wins over what ``compute_specs`` sets, and that over the task's, the strategy's and the hardware's
    defaults."""
    specs = config.compute_specs or hardware.compute_specs
    bf16 = hardware.fast_bf16 and not config.fp16
    fp16 = hardware.device == "cuda" and not bf16 and not config.bf16
    defaults: dict[str, Any] = {
        "compute_specs": specs,
        "use_4bit": False,
        "use_8bit": False,
        "bf16": bf16,
        "fp16": fp16,
        "bnb_4bit_compute_dtype": "bfloat16" if bf16 else "float16" if fp16 else "float32",
        "optim": "adamw_torch_fused",
        **task.defaults(config),
        **strategy.defaults(config),
        **PROVIDERS.get(config.provider).defaults(config),
        **COMPUTE_SPECS[specs],
    }
    asked = config.model_dump()
    filled = {name: value for name, value in defaults.items() if asked[name] is None}
    if config.eval_dataset is not None:
        filled["eval_split"] = 0.0
    return TrainingConfig.model_validate({**asked, **filled})


def check_precision(config: TrainingConfig, hardware: Hardware) -> None:
    """Raises InvalidRequest for a number format that this machine does not compute in, or a library that is missing."""
    if config.fp16 and hardware.device != "cuda":
        raise InvalidRequest(
            f"fp16: training in float16 needs an NVIDIA GPU, and this machine trains on {hardware.device}"
        )
    if config.bf16 and hardware.device == "cuda" and not hardware.fast_bf16:
        raise InvalidRequest(f"bf16: {hardware.gpus[0].name} does not compute in bfloat16; set fp16 instead")
    obstacle = quantization_obstacle(hardware.device)
    if obstacle is None:
        return
    if config.strategy == "qlora":
        raise InvalidRequest(f"strategy: qlora {obstacle}")
    for field in ("use_4bit", "use_8bit"):
        if getattr(config, field):
            raise InvalidRequest(f"{field}: it {obstacle}")
    if config.optim in BITSANDBYTES_OPTIMIZERS:
        raise InvalidRequest(f"optim: {config.optim} {obstacle}")
