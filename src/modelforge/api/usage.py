"""Code that asks a trained model: with this package, over HTTP, and with transformers alone."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelforge.architectures import ENCODERS, is_encoder_decoder
from modelforge.contracts.job import RunSpec
from modelforge.contracts.model import ModelUsage
from modelforge.errors import ModelForgeError
from modelforge.files import read_json_or_none
from modelforge.jobs.origin import config_of
from modelforge.specfile import spec_of
from modelforge.store.tables import ModelRow
from modelforge.tasks.rendering import PLAIN_FORMAT

SPAN = "extractive-question-answering"
QUESTIONS: dict[str, dict[str, str]] = {
    "text-generation": {"prompt": "When do you open?"},
    "summarization": {"prompt": "The library opens at nine. It closes at six, and at one on Saturdays."},
    SPAN: {"prompt": "When does the library open?", "context": "The library opens at nine and closes at six."},
}
"""What is asked in the examples; the other fields of the playground's request."""


def usage_of(row: ModelRow, home: Path, url: str, *, asks_for_key: bool) -> ModelUsage:
    """``url`` is where the server is reached; ``home`` its home folder."""
    asked = QUESTIONS.get(row.task, QUESTIONS["text-generation"])
    key = ' -H "Authorization: Bearer $MODELFORGE_API_KEY"' if asks_for_key else ""
    curl = (
        f"curl {shlex.quote(f'{url}/api/playground/generate')}{key} -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps({'model_id': row.id, **asked}))}"
    )
    own_home = "" if home == Path.home() / ".modelforge" else _text(str(home))
    fields = ", ".join([_text(row.name), *(f"{name}={_text(value)}" for name, value in asked.items())])
    python = (
        "from modelforge import ModelForge\n\n"
        f"with ModelForge({own_home}) as forge:\n"
        f"    print(forge.generate({fields}).generated_text)\n"
    )
    spec = spec_of(Path(row.path))
    alone = _alone(spec, Path(row.path), asked) if spec is not None else None
    return ModelUsage(python=python, curl=curl, transformers=alone)


def _alone(spec: RunSpec, folder: Path, asked: dict[str, str]) -> str | None:
    """None for a causal model that points at answers: it reads question and context in a form of ours."""
    adapter = read_json_or_none(folder / "adapter_config.json")
    described = read_json_or_none(folder / "config.json") or {}
    if spec.config.task == SPAN:
        if adapter is not None:
            with suppress(ModelForgeError):  # a hub that does not answer: then nothing is said rather than a wrong word
                described = config_of(spec.model)
        if described.get("model_type") not in ENCODERS:
            return None
        kind, body = "AutoModelForQuestionAnswering", _pointing(spec, asked)
    elif is_encoder_decoder(described) if adapter is None else adapter.get("task_type") == "SEQ_2_SEQ_LM":
        kind, body = "AutoModelForSeq2SeqLM", _summing_up(spec, asked)
    else:
        kind, body = "AutoModelForCausalLM", _going_on(spec, folder, asked)
    return "\n".join([*_loading(spec, folder, kind, adapted=adapter is not None), "", *body, ""])


def _loading(spec: RunSpec, folder: Path, kind: str, *, adapted: bool) -> list[str]:
    config = spec.config
    trust = ", trust_remote_code=True" if config.trust_remote_code else ""
    quantized = adapted and (config.use_4bit or config.use_8bit)
    names = sorted([kind, "AutoTokenizer", *(["BitsAndBytesConfig"] if quantized else [])])
    lines = ["import torch"]
    lines += ["from peft import PeftModel"] if adapted else []
    lines += [f"from transformers import {', '.join(names)}", "", f"folder = {_text(str(folder))}"]
    lines += [f"tokenizer = AutoTokenizer.from_pretrained(folder{trust})"]
    if not adapted:
        return [*lines, f'model = {kind}.from_pretrained(folder, dtype="auto"{trust}).eval()']
    revision = f", revision={_text(spec.model.revision)}" if spec.model.revision is not None else ""
    options = 'dtype="auto"'
    if quantized:
        lines += [f"quantized = {_quantization(spec)}"]
        options = "quantization_config=quantized"
    lines += [f"model = {kind}.from_pretrained({_text(spec.model.path)}{revision}, {options}{trust})"]
    return [*lines, "model = PeftModel.from_pretrained(model, folder).eval()"]


def _quantization(spec: RunSpec) -> str:
    config = spec.config
    if config.use_8bit:
        return "BitsAndBytesConfig(load_in_8bit=True)"
    return (
        f"BitsAndBytesConfig(\n    load_in_4bit=True,\n    bnb_4bit_quant_type={_text(config.bnb_4bit_quant_type)},\n"
        f"    bnb_4bit_use_double_quant={config.use_nested_quant},\n"
        f"    bnb_4bit_compute_dtype=torch.{config.bnb_4bit_compute_dtype or 'float32'},\n)"
    )


def _going_on(spec: RunSpec, folder: Path, asked: dict[str, str]) -> list[str]:
    ends = "tokenizer.all_special_ids"
    if _has_template(folder):
        lines = [
            f'messages = [{{"role": "user", "content": {_text(asked["prompt"])}}}]',
            "inputs = tokenizer.apply_chat_template(",
            '    messages, add_generation_prompt=True, enable_thinking=False, return_dict=True, return_tensors="pt"',
            ").to(model.device)",
        ]
    else:
        prompt = PLAIN_FORMAT.format(input=asked["prompt"])
        lines = [f'inputs = tokenizer({_text(prompt)}, return_tensors="pt").to(model.device)']
        ends = "tokenizer.eos_token_id"
    longest = spec.config.max_target_length or 100
    return [
        *lines,
        f"output = model.generate(**inputs, max_new_tokens={longest}, do_sample=False, eos_token_id={ends})",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))',
    ]


def _summing_up(spec: RunSpec, asked: dict[str, str]) -> list[str]:
    text = _text((spec.config.source_prefix or "") + asked["prompt"])
    longest = spec.config.max_target_length or 100
    limit = f", truncation=True, max_length={spec.config.max_seq_length}" if spec.config.max_seq_length else ""
    return [
        f'inputs = tokenizer({text}, return_tensors="pt"{limit}).to(model.device)',
        f"output = model.generate(**inputs, max_new_tokens={longest}, do_sample=False, num_beams=1)",
        "print(tokenizer.decode(output[0], skip_special_tokens=True))",
    ]


def _pointing(spec: RunSpec, asked: dict[str, str]) -> list[str]:
    config = spec.config
    limit = f', truncation="only_second", max_length={config.max_seq_length}' if config.max_seq_length else ""
    return [
        f"question = {_text(asked['prompt'])}",
        f"context = {_text(asked['context'])}",
        f'inputs = tokenizer(question, context, return_tensors="pt"{limit}).to(model.device)',
        "with torch.no_grad():",
        "    output = model(**inputs)",
        "inside = torch.tensor([part == 1 for part in inputs.sequence_ids(0)])",
        f"spans = (inside[:, None] & inside).triu().tril({(config.max_answer_length or 30) - 1})",
        "scores = (output.start_logits[0, :, None] + output.end_logits[0]).cpu()",
        "first, last = divmod(scores.masked_fill(~spans, -torch.inf).argmax().item(), len(inside))",
        "print(context[inputs.token_to_chars(first).start : inputs.token_to_chars(last).end])",
    ]


def _has_template(folder: Path) -> bool:
    described: Any = read_json_or_none(folder / "tokenizer_config.json")
    inside = isinstance(described, dict) and bool(described.get("chat_template"))
    return inside or (folder / "chat_template.jinja").is_file()


def _text(value: str) -> str:
    """The string as it is written in Python."""
    return json.dumps(value, ensure_ascii=False)
