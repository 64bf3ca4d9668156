"""Mappings for columns that nobody named after a known shape: by what they are called, and by what stands in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelforge.contracts.version import ColumnMapping, SuggestedMapping
from modelforge.datasets.columns import Look, look_at
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.mapping import Mapper
from modelforge.datasets.paging import PAGE_BYTES, showable
from modelforge.datasets.rows import open_regular, read_blocks, rows_of

LOOKED_AT = 200
"""Rows from the beginning of the dataset."""
_EXAMPLES = 3
_IN_CONTEXT = 0.8
"""Share of answers that must stand in their context to be taken from it."""

ROLES: dict[str, tuple[str, ...]] = {
    "question": (
        "question", "query", "prompt", "input", "request", "user", "human", "instruction", "source", "task",
        "frage", "anfrage", "eingabe", "aufgabe", "anweisung", "pregunta", "consulta", "instruccion", "entrada",
        "demande", "consigne", "pergunta", "domanda", "istruzione", "vraag", "fraga", "pytanie", "вопрос", "запрос",
        "soru", "问题", "問題", "提问", "指令", "输入", "質問", "入力", "질문", "سؤال", "प्रश्न",
    ),
    "answer": (
        "answer", "response", "reply", "output", "completion", "assistant", "target", "result", "solution", "gpt",
        "antwort", "ausgabe", "ergebnis", "losung", "respuesta", "salida", "reponse", "sortie", "resposta", "saida",
        "risposta", "antwoord", "svar", "odpowiedz", "ответ", "cevap", "yanit", "答案", "回答", "输出", "出力", "답변",
        "جواب", "إجابة", "उत्तर",
    ),
    "context": (
        "context", "passage", "paragraph", "document", "article", "dialogue", "background", "kontext", "absatz",
        "abschnitt",
        "contexto", "contexte", "contesto", "parrafo", "passaggio", "контекст", "baglam", "上下文", "文脈", "段落",
        "문맥", "سياق",
    ),
    "summary": (
        "summary", "abstract", "highlights", "tldr", "headline", "zusammenfassung", "kurzfassung", "resumen", "resume",
        "resumo", "riassunto", "samenvatting", "sammanfattning", "streszczenie", "резюме", "аннотация", "ozet", "摘要",
        "要約", "요약", "ملخص",
    ),
    "chosen": ("chosen", "preferred", "accepted", "better", "winner", "good", "bevorzugt", "besser", "elegida"),
    "rejected": ("rejected", "dispreferred", "worse", "loser", "bad", "abgelehnt", "schlechter", "rechazada", "rejete"),
    "system": ("system", "persona", "systemprompt", "rolle"),
    "text": ("text", "content", "body", "story", "document", "article", "inhalt", "texto", "texte", "testo", "tekst",
             "текст", "metin", "正文", "文本", "本文", "텍스트", "نص"),
}  # fmt: skip
"""What columns are called, without accents and capitals."""
_SAID = {
    "question": "a question",
    "answer": "an answer",
    "context": "the text that a question is about",
    "summary": "a summary",
    "chosen": "the better answer",
    "rejected": "the worse answer",
    "system": "what the model is told to be",
    "text": "a text",
}


def first_rows(path: Path) -> list[dict[str, Any]]:
    """The rows from which columns are known; fewer where they are large, for the server holds them all."""
    found: list[dict[str, Any]] = []
    size = 0
    with open_regular(path) as stream:
        for number, block in read_blocks(stream):
            size += len(block or b"")
            found += (row for _, row in rows_of(number, block or b"") if isinstance(row, dict))
            if len(found) >= LOOKED_AT or size > PAGE_BYTES:
                break
    return found[:LOOKED_AT]


def suggest(rows: Sequence[Mapping[str, Any]], known: ColumnMapping | None = None) -> list[SuggestedMapping]:
    """Mappings that make usable rows of these, the best first; ``known`` is one that was applied to such columns."""
    columns = [each for each in look_at(rows) if each.can_be_named]
    found: list[SuggestedMapping] = []
    if known is not None:
        found += _tried(known, "it was applied to the same columns before", rows)
    for shape, fields, reason in _ideas(columns, rows):
        mapping = ColumnMapping(shape=shape, fields=fields)
        if all(mapping != each.mapping for each in found):
            found += _tried(mapping, reason, rows)
    return found


def _tried(mapping: ColumnMapping, reason: str, rows: Sequence[Mapping[str, Any]]) -> list[SuggestedMapping]:
    mapper, shape = Mapper(mapping.shape, mapping.fields), SHAPES.get(mapping.shape)
    made = [mapper.apply(row) for row in rows]
    usable = [row for row in made if shape.read(row) is not None]
    if not usable:
        return []
    return [
        SuggestedMapping(
            mapping=mapping,
            reason=reason,
            usable=len(usable),
            looked_at=len(rows),
            examples=[showable(row) for row in usable[:_EXAMPLES]],
        )
    ]


Idea = tuple[str, dict[str, str], str]
"""A shape, its fields, and why."""


def _ideas(columns: Sequence[Look], rows: Sequence[Mapping[str, Any]]) -> Iterator[Idea]:
    roles = _roles(columns)
    for each in columns:
        if each.kind == "conversation" and roles.get("chosen") is not each and roles.get("rejected") is not each:
            yield "messages", {"messages": _template(each)}, f"'{each.name}' holds conversations"
    yield from _by_name(roles, rows)
    yield from _by_looks([each for each in columns if each.is_text])


def _by_name(roles: Mapping[str, Look], rows: Sequence[Mapping[str, Any]]) -> Iterator[Idea]:
    question, answer, context = roles.get("question"), roles.get("answer"), roles.get("context")
    summary, text = roles.get("summary"), roles.get("text") or roles.get("context")
    chosen, rejected, system = roles.get("chosen"), roles.get("rejected"), roles.get("system")
    if question and chosen and rejected:
        asked = _template(question)
        fields = {"prompt": asked, "chosen": _template(chosen), "rejected": _template(rejected)}
        if system and question.kind == system.kind == "text":
            why = _because(roles, "system", "question", "chosen", "rejected")
            yield "prompt_chosen_rejected", {**fields, "prompt": f"{_template(system)}\n\n{asked}"}, why
        yield "prompt_chosen_rejected", fields, _because(roles, "question", "chosen", "rejected")
    if question and answer and context:
        fields = {"context": _template(context), "question": _template(question), "answer": _template(answer)}
        if _stand_in(rows, answer.name, context.name) >= _IN_CONTEXT:
            why = f"{_because(roles, 'context', 'question', 'answer')}, and the answers stand in their texts"
            yield "context_question_answer", fields, why
        joined = f"{_template(context)}\n\n{_template(question)}"
        why = f"{_because(roles, 'context', 'question', 'answer')}; the text goes before the question"
        yield "input_output", {"input": joined, "output": _template(answer)}, why
    if question and answer and system:
        fields = {"system": _template(system), "user": _template(question), "assistant": _template(answer)}
        yield "messages", fields, _because(roles, "system", "question", "answer")
    if text and summary:
        fields = {"input": _template(text), "output": _template(summary)}
        yield "input_output", fields, _because(roles, "text" if "text" in roles else "context", "summary")
    if question and answer and not context:
        fields = {"input": _template(question), "output": _template(answer)}
        yield "input_output", fields, _because(roles, "question", "answer")


def _by_looks(texts: Sequence[Look]) -> Iterator[Idea]:
    """Where no name tells: the two longest columns of text, or the one there is."""
    longest = sorted(texts, key=lambda each: -each.length)[:2]
    if len(longest) == 2:
        first, second = sorted(longest, key=texts.index)
        if second.asks > max(0.3, first.asks):
            asked, why = second, f"most of '{second.name}' are questions"
        elif first.asks > 0.3:
            asked, why = first, f"most of '{first.name}' are questions"
        else:
            asked, why = first, f"'{first.name}' and '{second.name}' hold the longest texts, and the first comes first"
        told = second if asked is first else first
        yield "input_output", {"input": _template(asked), "output": _template(told)}, why
    if longest and (len(texts) == 1 or longest[0].length > 10 * longest[1].length):
        yield "text", {"text": _template(longest[0])}, f"'{longest[0].name}' alone holds text"


def _roles(columns: Sequence[Look]) -> dict[str, Look]:
    """For each role the column whose name says it best; no column has two."""
    scores = sorted(
        (-score, at, role)
        for at, each in enumerate(columns)
        if each.kind in ("text", "number", "conversation")
        for role, words in ROLES.items()
        if (score := _score(each.name, words))
    )
    found: dict[str, Look] = {}
    for _, at, role in scores:
        if role not in found and all(each is not columns[at] for each in found.values()):
            found[role] = columns[at]
    return found


def _score(name: str, words: Sequence[str]) -> float:
    """How well a name is one of the words: all of it, a part of it, or the end of a compound (``Kundenfrage``)."""
    plain = _plain(name)
    parts = [part for part in re.split(r"[\W_\d]+", plain) if part]
    best = 0.0
    for rank, word in enumerate(map(_plain, words)):
        early = 1 - rank / 1000
        if plain == word:
            return 3 + early
        if word in parts:
            best = max(best, 2 + early)
        elif any(_is_compound(part, word) for part in parts):
            best = max(best, 1 + early)
    return best


def _is_compound(part: str, word: str) -> bool:
    # Languages without spaces write all in one.
    return word in part if not word.isascii() else len(word) >= 4 and (part.startswith(word) or part.endswith(word))


def _plain(name: str) -> str:
    """Without accents, capitals, and humps (``userQuestion``)."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not unicodedata.combining(char))).strip()


def _template(column: Look) -> str:
    return f"{{{column.name}}}"


def _because(roles: Mapping[str, Look], *names: str) -> str:
    return ", ".join(f"'{roles[name].name}' is called like {_SAID[name]}" for name in names)


def _stand_in(rows: Sequence[Mapping[str, Any]], answer: str, context: str) -> float:
    """The share of answers that stand in their context."""
    pairs = [(row.get(answer), row.get(context)) for row in rows]
    texts = [(a, c) for a, c in pairs if isinstance(a, str) and isinstance(c, str) and a]
    return sum(a in c for a, c in texts) / max(1, len(texts))
