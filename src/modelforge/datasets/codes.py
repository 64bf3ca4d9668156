"""Every kind of problem that is told of a dataset: its code, how bad it is, what to do, and the fix on offer.

The one source of what clients, the command line and docs/data-problems.md say of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modelforge.registry import Registry

Severity = Literal["error", "warning", "note"]
Group = Literal["lines", "sources", "columns", "fields", "answers", "conversations", "content", "together", "lengths"]

DROP_BAD_ROWS = "drop_bad_rows"
DROP_EXACT_DUPLICATES = "drop_exact_duplicates"
DROP_NEAR_DUPLICATES = "drop_near_duplicates"
TRIM_WHITESPACE = "trim_whitespace"
REMOVE_CONTROL_CHARACTERS = "remove_control_characters"
REPAIR_MOJIBAKE = "repair_mojibake"
DECODE_HTML_ENTITIES = "decode_html_entities"
DROP_SPREADSHEET_ERRORS = "drop_spreadsheet_errors"
REDACT_PERSONAL_DATA = "redact_personal_data"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem."""

    name: str
    """Never changes its meaning: clients go by it."""
    group: Group
    """What it is a problem of."""
    severity: Severity
    """``error``: the rows are not learnt from. ``warning``: they are, and hardly as it was meant. ``note``: worth
    knowing."""
    says: str
    """An example of what is said of a row."""
    advice: str
    """What to do."""
    fix: str | None = None
    """The fix on offer, by its name; None where only a person can tell."""


def _bad(name: str, group: Group, says: str, advice: str) -> Code:
    """Rows that cannot be learnt from can be taken out, if they cannot be mended; those that could not even be read are
    out already."""
    return Code(name, group, "error", says, advice, None if group == "sources" else DROP_BAD_ROWS)


NOT_JSON = _bad(
    "not_json",
    "lines",
    "not JSON: Expecting ',' delimiter",
    "Mend the line, or write the file anew with a JSON library: each line is one object.",
)
NOT_UTF8 = _bad(
    "not_utf8",
    "lines",
    "not UTF-8",
    "Save the file as UTF-8. Where only some lines are affected, several files of different encodings were joined.",
)
NUL_BYTE = _bad(
    "nul_byte",
    "lines",
    "holds a NUL byte",
    "The line lost its bytes to a crash or a full disk: write it anew from its source.",
)
LINE_TOO_LONG = _bad(
    "line_too_long",
    "lines",
    "longer than 16 MB",
    "No model reads so long a row. Divide it, or look whether line ends were lost on the way.",
)
TOO_DEEP = _bad(
    "too_deep",
    "lines",
    "nested more than 100 levels deep",
    "Take out what is nested: only texts and turns are learnt from.",
)
TOO_MANY_DIGITS = _bad("too_many_digits", "lines", "a number has too many digits", "Write the number as a string.")
NOT_AN_OBJECT = _bad(
    "not_an_object",
    "lines",
    "a list, not an object",
    'Write each row as an object with named fields: {"input": …, "output": …}.',
)
UNDECODABLE = _bad(
    "undecodable",
    "sources",
    "not UTF-8",
    "Say in which encoding the file is, or save it as UTF-8.",
)
UNCLOSED_QUOTE = _bad(
    "unclosed_quote",
    "sources",
    "a quote opens and is not closed as it should be",
    'Close the quote, or double quotes that belong to the text: "".',
)
STRAY_QUOTE = _bad(
    "stray_quote",
    "sources",
    'a quote within a quoted cell is not doubled ("")',
    "Double it; programs that write tables do so by themselves.",
)
TOO_MANY_FIELDS = _bad(
    "too_many_fields",
    "sources",
    "more cells than there are columns",
    "Put cells that hold the delimiter in quotes, or say which delimiter it is.",
)
TOO_FEW_FIELDS = _bad(
    "too_few_fields",
    "sources",
    "fewer cells than there are columns",
    "Put cells that hold line ends in quotes; where it is the last row, the file was cut off.",
)
FORMULA_WITHOUT_VALUE = _bad(
    "formula_without_value",
    "sources",
    "a formula has no value",
    "Open the workbook in its program and save it, which writes the values down, or export it as CSV.",
)
CELL_ERROR = _bad(
    "cell_error",
    "sources",
    "a cell holds an error of the spreadsheet",
    "Mend the formula, and save the workbook anew.",
)
TORN_DOCUMENT = _bad(
    "torn_document",
    "sources",
    "the file breaks off here",
    "Send the file again: its end is missing. What came before is there.",
)
TORN_ARTICLE = _bad(
    "torn_article",
    "sources",
    "an article without paragraphs, or a paragraph without context or questions",
    "Write articles as SQuAD does.",
)
UNKNOWN_COLUMNS = Code(
    "unknown_columns",
    "columns",
    "error",
    "no known shape: the columns are 'q', 'a'; a row needs input and output, or …",
    "Say which column holds what: the dataset's mapping suggests it.",
)
MISSING_FIELD = _bad(
    "missing_field",
    "fields",
    "field 'output' is missing",
    "Add the field, or remove the row. Where all rows lack it, it may go by another name: map the columns.",
)
WRONG_TYPE = _bad("wrong_type", "fields", "field 'output' is a number, not a string", "Write it as it is to be learnt.")
EMPTY_FIELD = _bad("empty_field", "fields", "field 'output' is empty", "Fill it in, or remove the row.")
BLANK_FIELD = _bad("blank_field", "fields", "field 'output' holds only white space", "Fill it in, or remove the row.")
NUL_CHARACTER = _bad(
    "nul_character",
    "fields",
    "field 'input' holds a NUL character",
    "Take the character out; it comes from a binary file or a damaged export.",
)
HALF_SURROGATE = _bad(
    "half_surrogate",
    "fields",
    "field 'output' holds half a surrogate pair",
    "A text was cut in the middle of an emoji or another rare character: cut it by characters, not by UTF-16 units.",
)
ANSWER_NOT_IN_CONTEXT = _bad(
    "answer_not_in_context",
    "answers",
    "the answer does not stand word for word in its context",
    "Copy the answer out of the context, capitals and punctuation included; what is told in other words can be learnt "
    "by the task text-generation.",
)
ANSWER_NOT_AT_START = _bad(
    "answer_not_at_start",
    "answers",
    "the answer does not stand at its answer_start, counted in characters from 0",
    "Count anew, in characters and not in bytes; or leave answer_start out, and every place of the answer counts.",
)
IMPOSSIBLE_WITH_ANSWER = _bad(
    "impossible_with_answer",
    "answers",
    "is_impossible is true, and yet there is an answer",
    "Set is_impossible to false, or take the answer out.",
)
MALFORMED_ANSWERS = _bad(
    "malformed_answers",
    "answers",
    "'answer_start' in field 'answers' is not a list as long as 'text'",
    'Write answers as SQuAD does: {"text": ["…"], "answer_start": [0]}.',
)
MALFORMED_TURN = _bad(
    "malformed_turn",
    "conversations",
    "a turn has no 'content'",
    'Write each turn as {"role": "user", "content": "…"}.',
)
UNKNOWN_ROLE = _bad(
    "unknown_role",
    "conversations",
    "the 'role' of a turn is neither system, user, assistant nor tool",
    "Name the roles so; leave out turns of others.",
)
NO_ASSISTANT_TURN = _bad(
    "no_assistant_turn",
    "conversations",
    "no turn is the assistant's, so there is nothing to learn",
    "Add the answer, or remove the row.",
)
WRONG_ROLE_ORDER = _bad(
    "wrong_role_order",
    "conversations",
    "the assistant speaks before the user",
    "Let the system speak first, if at all, then user and assistant in turn; join turns of one speaker that follow "
    "each other. A tool answers after the turn that calls it.",
)
MALFORMED_TOOL = _bad(
    "malformed_tool",
    "conversations",
    "the arguments of a tool call are no JSON object",
    'Write tools and calls of them as OpenAI does: {"type": "function", "function": {"name": "…", "arguments": {}}}.',
)
PROMPT_WITHOUT_USER = _bad(
    "prompt_without_user",
    "conversations",
    "the prompt does not end with the user's turn",
    "End the prompt with what is to be answered.",
)
ANSWER_WITHOUT_ASSISTANT = _bad(
    "answer_without_assistant",
    "conversations",
    "the last turn in 'chosen' is not the assistant's",
    "End it with the assistant's answer.",
)
DIFFERENT_CONVERSATIONS = _bad(
    "different_conversations",
    "conversations",
    "chosen and rejected differ before their last turn",
    "Only two answers to the same conversation can be compared.",
)
SAME_ANSWERS = _bad(
    "same_answers",
    "conversations",
    "chosen and rejected are the same",
    "There is nothing to prefer: write another answer, or remove the row.",
)
MOJIBAKE = Code(
    "mojibake",
    "content",
    "warning",
    "a text was decoded in a wrong encoding (Ã© for é)",
    "Read the source anew as UTF-8, or let it be repaired here.",
    REPAIR_MOJIBAKE,
)
REPLACEMENT_CHARACTER = Code(
    "replacement_character",
    "content",
    "warning",
    "a text holds the replacement character � in place of one that was lost",
    "What was lost cannot be guessed: read the source anew in its encoding.",
)
CONTROL_CHARACTERS = Code(
    "control_characters",
    "content",
    "warning",
    "a text holds control characters",
    "Take them out: they come from terminals and word processors, and a model would learn to write them.",
    REMOVE_CONTROL_CHARACTERS,
)
SPREADSHEET_ERROR = Code(
    "spreadsheet_error",
    "content",
    "warning",
    "a text is a spreadsheet's error (#REF!)",
    "Mend the formula in the spreadsheet and export it anew, or remove the row.",
    DROP_SPREADSHEET_ERRORS,
)
HTML_ENTITIES = Code(
    "html_entities",
    "content",
    "note",
    "a text holds HTML's way of writing characters (&amp;)",
    "Decode them, unless the model is to write HTML.",
    DECODE_HTML_ENTITIES,
)
SURROUNDING_WHITESPACE = Code(
    "surrounding_whitespace",
    "content",
    "note",
    "a text begins or ends with white space",
    "Trim it, unless it means something: a model learns to write it, too.",
    TRIM_WHITESPACE,
)
SECRET = Code(
    "secret",
    "content",
    "warning",
    "a text holds what looks like a secret key",
    "Revoke the key where it came from, then take it out: what is learnt can be asked for.",
    REDACT_PERSONAL_DATA,
)
EMAIL_ADDRESS = Code(
    "email_address",
    "content",
    "warning",
    "a text holds an e-mail address",
    "Take it out, unless its owner agrees: what is learnt can be asked for.",
    REDACT_PERSONAL_DATA,
)
PHONE_NUMBER = Code(
    "phone_number",
    "content",
    "warning",
    "a text holds what looks like a phone number",
    "Take it out, unless its owner agrees: what is learnt can be asked for.",
    REDACT_PERSONAL_DATA,
)
CARD_NUMBER = Code(
    "card_number",
    "content",
    "warning",
    "a text holds what looks like the number of a payment card",
    "Take it out: what is learnt can be asked for.",
    REDACT_PERSONAL_DATA,
)
EXACT_DUPLICATES = Code(
    "exact_duplicates",
    "together",
    "warning",
    "the same as an earlier row",
    "Remove them, unless they are to count more: each is learnt as often as it stands there.",
    DROP_EXACT_DUPLICATES,
)
CONFLICTING_ANSWERS = Code(
    "conflicting_answers",
    "together",
    "warning",
    "the same prompt as an earlier row, and another answer",
    "Decide for one answer, unless several are right: the model learns a mixture of them.",
)
NEAR_DUPLICATES = Code(
    "near_duplicates",
    "together",
    "warning",
    "nearly the same as another row",
    "Remove them, unless the small differences are what is to be learnt.",
    DROP_NEAR_DUPLICATES,
)
LEAKED_ROWS = Code(
    "leaked_rows",
    "together",
    "warning",
    "a row that is held out is nearly the same as one that is learnt from",
    "Remove near duplicates, else the measured loss is better than the model.",
    DROP_NEAR_DUPLICATES,
)
SHARED_ROWS = Code(
    "shared_rows",
    "together",
    "warning",
    "nearly the same as a row of the other dataset",
    "Remove it from one of the two, else what is measured on the one is what was learnt from the other.",
)
CUT_ROWS = Code(
    "cut_rows",
    "lengths",
    "note",
    "longer than max_seq_length, and so cut",
    "Raise max_seq_length, or shorten the rows: what is cut away is not learnt.",
)
CUT_AWAY = Code(
    "cut_away",
    "lengths",
    "error",
    "max_seq_length leaves nothing of the answer",
    "Raise max_seq_length, or shorten the prompts: these rows are left out.",
)

CODES = Registry("code", *(code for code in list(vars().values()) if isinstance(code, Code)))
"""By their groups, the worst first."""
