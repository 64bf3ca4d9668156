from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelforge.datasets import codes, rows
from modelforge.datasets.formats import MIN_EXAMPLES, SHAPES, Shape
from modelforge.datasets.ingest import iter_rows
from modelforge.datasets.validate import Report, validate
from modelforge.errors import InvalidDataset

GOOD = b'{"input": "a", "output": "b"}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


def report_of(file: Path, content: bytes) -> Report:
    file.write_bytes(content)
    return validate(file)


def test_a_clean_file(file: Path) -> None:
    report = report_of(file, GOOD * 12)
    assert report == Report("input_output", 12, 12, 0, [], hashlib.sha256(GOOD * 12).hexdigest())
    assert report.valid


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_lines_are_counted_as_an_editor_counts_them(file: Path, bom: bytes, end: bytes) -> None:
    good = GOOD.strip()
    lines = [
        b"",
        good,
        b" \t",
        b'{"input": "x"}',
        good,
        b"",
        *[good] * 10,
        b'  {"input": "y"}  ',
        b"",
        b'{"input": "z"}',
    ]
    report = report_of(file, bom + end.join(lines))
    assert report.errors == ["lines 4, 17 and 19: field 'output' is missing"]
    assert (report.num_rows, report.num_examples, report.num_bad) == (15, 12, 3)
    usable = [line for line, _ in iter_rows(file, SHAPES.get("input_output"))]
    assert usable == [2, 5, *range(7, 17)][: len(usable)] and len(usable) == 12


def test_every_kind_of_problem_is_named_once_with_its_lines(file: Path) -> None:
    bad = [
        b'{"input": "a" "output": "b"}',
        b'{"input": "a", "output": }',
        b'{"input": "a", "output": }',
        b'["input", "output"]',
        b"17",
        b'{"input": "caf\xe9", "output": "b"}',
        b'{"input": "a", "output": "\\ud800"}',
        b'{"input": "a\\u0000", "output": "b"}',
        b'{"input": "a\0", "output": "b"}',
        b'{"input": "a", "output": "b", "more": ' + b"[" * 101 + b"]" * 101 + b"}",
        b'{"input": "a", "output": "b", "more": ' + b"[" * 100_000,
        b'{"input": "a", "output": "b", "more": ' + b"9" * 5000 + b"}",
        b'{"input": "a", "output": null}',
        b'{"input": "", "output": 1.5}',
        *[b'{"input": "a", "output": " "}'] * 100,
    ]
    report = report_of(file, GOOD * 10 + b"\n".join(bad))
    assert report.errors == [
        "line 11: not JSON: Expecting ',' delimiter (column 15)",
        "lines 12 and 13: not JSON: Expecting value (column 26 in line 12)",
        "line 14: a list, not an object",
        "line 15: a number, not an object",
        "line 16: not UTF-8 (byte 0xE9 at position 15)",
        "line 17: field 'output' holds half a surrogate pair",
        "line 18: field 'input' holds a NUL character",
        "line 19: holds a NUL byte",
        "lines 20 and 21: nested more than 100 levels deep",
        "line 22: a number has too many digits",
        "line 23: field 'output' is null, not a string",
        "line 24: field 'input' is empty",
        "line 24: field 'output' is a number, not a string",
        "lines 25, 26, 27, 28, 29 and 95 more: field 'output' holds only white space",
    ]
    assert (report.shape, report.num_rows, report.num_examples, report.num_bad) == ("input_output", 124, 10, 114)
    assert not report.valid


def test_what_json_allows_and_training_needs_not_is_allowed(file: Path) -> None:
    nested = b'{"input": "a", "output": "b", "more": ' + b"[" * 99 + b"]" * 99 + b', "even more": []}\n'
    odd = b'{"input": "x", "input": "a", "output": "b", "n": NaN, "m": -Infinity, "\\ud800": "\\u0000"}\n'
    braces = json.dumps({"input": "{[" * 500, "output": "b"}).encode() + b"\n"
    assert report_of(file, (nested + odd + braces) * 4).valid
    deeper = nested.replace(b"[[]]", b"[[[]]]")
    assert report_of(file, nested * 10 + deeper).errors == ["line 11: nested more than 100 levels deep"]


def test_too_long_lines_are_refused_and_counted(file: Path) -> None:
    def line(length: int) -> bytes:
        head, tail = b'{"input": "', b'", "output": "b"}'
        return head + b"x" * (length - len(head) - len(tail)) + tail + b"\n"

    longest = rows.MAX_LINE
    content = GOOD * 9 + line(longest + 1) + line(longest) + line(3 * longest) + b'{"input": 1, "output": "b"}'
    report = report_of(file, content)
    assert report.errors == [
        "lines 10 and 12: longer than 16 MB",
        "line 13: field 'input' is a number, not a string",
    ]
    assert report.num_examples == 10
    assert report.sha256 == hashlib.sha256(content).hexdigest()


def test_the_shape_is_the_one_that_most_rows_fit(file: Path) -> None:
    answer = b'{"context": "Ada wrote it.", "question": "Who?", "answer": "Ada"}\n'
    choice = b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n'
    report = report_of(file, GOOD * 11 + answer * 12 + choice * 10)
    assert report.shape == "context_question_answer"
    assert (report.num_examples, report.num_bad) == (12, 21)
    assert report.errors[0] == "lines 1, 2, 3, 4, 5 and 16 more: field 'context' is missing"
    assert report_of(file, choice * 10).valid
    # By the columns where no row is usable.
    assert report_of(file, b'{"prompt": "", "chosen": "", "rejected": ""}\n' * 3).shape == "prompt_chosen_rejected"


ALPACA = b'{"instruction": "a", "input": "", "output": "b", "text": "a b"}\n'


@pytest.mark.parametrize(
    ("content", "shape", "errors"),
    [
        pytest.param(
            # Of the two shapes that its rows have, the second has more usable rows.
            ALPACA * 12 + ALPACA.replace(b'"b"', b'""'),
            "input_output",
            ["line 13: field 'output' is empty"],
            id="Stanford's Alpaca",
        ),
        pytest.param(
            b'{"prompt": "a", "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], '
            b'"rejected": [{"role": "assistant", "content": "c"}], "messages": []}\n' * 12,
            "prompt_chosen_rejected",
            [],
            id="UltraFeedback",
        ),
        pytest.param(
            b'{"prompt": "a", "completion": "b"}\n' * 12 + b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n' * 2,
            "input_output",
            ["lines 13 and 14: field 'completion' is missing"],
            id="completions, and two choices",
        ),
        pytest.param(
            b'{"chosen": "b", "rejected": "c"}\n'
            * 2
            + b'{"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], '
            b'"rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]}\n',
            "prompt_chosen_rejected",
            ["lines 1 and 2: field 'prompt' is missing"],
            id="some without a prompt",
        ),
        pytest.param(
            b'{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}\n' * 10
            + b'{"conversations": [{"from": "human", "value": "a"}, {"from": "tool", "value": "b"}]}\n' * 2
            + b'{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}\n'
            + b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n',
            "messages",
            [
                "lines 11 and 12: the 'from' of a turn is neither system, human nor gpt (turn 2: 'tool' in line 11)",
                "line 13: no turn is the assistant's, so there is nothing to learn",
            ],
            id="two forms",
        ),
        pytest.param(
            # The text says the same once more; the answers decide.
            b'{"context": "a", "question": "b", "answer": "c", "text": "a b"}\n' * 10,
            "text",
            [],
            id="none of whose first shape is usable",
        ),
        pytest.param(
            b'{"context": "a b", "question": "b", "answers": {"text": ["b"], "answer_start": [2]}}\n' * 10
            + b'{"context": "a b", "question": "b", "answers": {"text": ["b"], "answer_start": [1]}}\n'
            + b'{"context": "a b", "question": "b"}\n'
            + b'{"context": "a b", "question": "b", "answer": ""}\n',
            "context_question_answer",
            [
                "line 11: the answer does not stand at its answer_start, counted in characters from 0 (answer 1)",
                "line 12: field 'answer' is missing",
            ],
            id="SQuAD",
        ),
    ],
)
def test_shapes_of_the_hubs_datasets(file: Path, content: bytes, shape: str, errors: list[str]) -> None:
    report = report_of(file, content)
    assert (report.shape, report.errors) == (shape, errors)
    assert report.num_examples == len(list(iter_rows(file, SHAPES.get(shape))))


def test_unknown_columns_ask_for_a_mapping(file: Path) -> None:
    report = report_of(file, b'{"question": "a", "rep\\nly": "b"}\n' * 20 + b"{\n")
    assert (report.shape, report.num_rows, report.num_examples, report.num_bad) == (None, 21, 20, 1)
    assert report.errors == [
        "no known shape: the columns are 'question', 'rep\\nly'; a row needs input and output, or context, question "
        "and answer, or prompt, chosen and rejected, or messages, or text",
        "line 21: not JSON: Expecting property name enclosed in double quotes (column 2)",
    ]
    assert not report.valid
    # A known shape but for one column, which may go by another name.
    report = report_of(file, b'{"request": "a", "chosen": "b", "rejected": "c"}\n' * 12)
    assert (report.shape, report.num_examples) == (None, 12)
    assert report.errors[0].startswith("no known shape: the columns are 'request', 'chosen', 'rejected'; a row needs")
    wide = report_of(file, b"".join(b'{"column %d": 1}\n' % number for number in range(5000)))
    assert "'column 11' and others;" in wide.errors[0]
    assert "column 12" not in wide.errors[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\r\n \n\n", "holds only blank lines"),
    ],
)
def test_a_file_without_rows_is_refused(file: Path, content: bytes, words: str) -> None:
    with pytest.raises(InvalidDataset, match=words):
        report_of(file, content)


def test_a_list_in_the_first_row_is_one_bad_row(file: Path) -> None:
    assert report_of(file, b"[1]\n" + GOOD * 10).errors == ["line 1: a list, not an object"]


# The same, said as simply as can be, to compare with.


def naive(content: bytes, max_line: int) -> tuple[int, dict[str, set[int]], dict[int, Any]]:
    """Rows, the lines with each problem that has nothing to do with a shape, and the objects by line."""
    count, problems, objects = 0, {}, {}
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if len(line) <= max_line and not line.strip(b" \t\r"):
            continue
        count += 1
        try:
            value = None if len(line) > max_line else json.loads(line.decode())
        except ValueError as error:
            kind = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "NUL" if b"\0" in line else "not JSON"
        else:
            if isinstance(value, dict):
                objects[number] = value
                continue
            kind = "too long" if len(line) > max_line else "not an object"
        problems.setdefault(kind, set()).add(number)
    return count, problems, objects


FIELDS = sorted({field for shape in SHAPES for form in shape.forms for field in form.fields + form.optional})
TEXTS = st.sampled_from(["a", "ab", "", " ", "\0", "\ud800", "é", "\U0001f600", "{[", "\u2028\u0085"])
TURNS = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool", 1]),
            "content": st.sampled_from(["a", "b", ""]),
        }
    ),
    st.fixed_dictionaries(
        {"from": st.sampled_from(["system", "human", "gpt", "bing", None]), "value": st.sampled_from(["a", "b", " "])}
    ),
    st.sampled_from([None, "a", {}]),
)
CHATS = st.sampled_from(
    [
        [{"role": "user", "content": "a"}],
        [{"role": "assistant", "content": "a"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}],
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
    ]
)
ANSWERS = st.fixed_dictionaries({"text": st.lists(TEXTS, max_size=2), "answer_start": st.lists(st.integers(-1, 2))})
VALUES = st.one_of(
    TEXTS, TEXTS, TEXTS, st.none(), st.booleans(), st.integers(-1, 3), st.floats(), st.just([{}]),
    CHATS, st.lists(TURNS, max_size=4), ANSWERS,
)  # fmt: skip
OBJECTS = st.one_of(
    *[st.fixed_dictionaries(dict.fromkeys(form.fields, VALUES)) for shape in SHAPES for form in shape.forms],
    st.dictionaries(st.sampled_from([*FIELDS, "x", "\n"]), VALUES),
)
LINES = st.one_of(
    st.builds(
        lambda row, plain: json.dumps(row, ensure_ascii=plain).encode("utf-8", "replace"), OBJECTS, st.booleans()
    ),
    st.builds(lambda row: b" \t" + json.dumps(row).encode() + b" ", OBJECTS),
    st.sampled_from([b"", b" ", b"\r", b"{", b'{"input": "a"', b'"b"}', b"[]", b"1", b"null", b'{"a": "' + b"x" * 200]),
    st.integers(120, 160).map(lambda length: b'{"input": "%s", "output": "b"}' % (b"x" * (length - 28))),
    st.sampled_from([b"\xff", b'{"input": "\xc3"}', b"\xef\xbb\xbf{}", b"\x0c{}", b"\xc2\xa0", b"{}{}", b"{}, {}"]),
    st.binary(max_size=40),
)
FILES = st.builds(
    lambda bom, lines: bom + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\n", b"\r\n", b""])), max_size=30),
)


def complete(row: dict[str, Any], shape: Shape) -> bool:
    return any(set(form.fields) <= set(row) for form in shape.forms)


def first(row: dict[str, Any]) -> Shape | None:
    return next((shape for shape in SHAPES if complete(row, shape)), None)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=FILES, sizes=st.sampled_from([(5, 150), (64, 150), (1 << 20, 16_000_000)]))
def test_the_report_is_what_a_naive_reader_finds(tmp_path: Path, content: bytes, sizes: tuple[int, int]) -> None:
    block, longest = sizes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_BLOCK", block)
        patch.setattr(rows, "MAX_LINE", longest)
        file = tmp_path / "any.jsonl"
        file.write_bytes(content)
        count, problems, objects = naive(content, longest)
        try:
            report = validate(file)
        except InvalidDataset:
            assert count == 0
            return
        usable = {shape.name: [n for n, row in objects.items() if not shape.problems(row)] for shape in SHAPES}
        assert report.num_rows == count == report.num_examples + report.num_bad
        assert report.sha256 == hashlib.sha256(content).hexdigest()
        bad = set().union(*problems.values())
        if report.shape is None:
            assert not any(usable.values())
            seen = {
                shape.name: [shape.look(row) for row in objects.values() if complete(row, shape)] for shape in SHAPES
            }
            most = max(seen.values(), key=len)
            lacking = sum(problem.code == codes.MISSING_FIELD for each in most for problem in each)
            assert 2 * lacking >= len(most)
            assert report.num_examples == len(objects)
        else:
            shape = SHAPES.get(report.shape)
            assert report.num_examples == len(usable[shape.name])
            own = {s.name: sum(n in usable[s.name] for n, row in objects.items() if first(row) == s) for s in SHAPES}
            assert own[shape.name] == max(own.values())
            if not any(own.values()):
                assert len(usable[shape.name]) == max(map(len, usable.values()))
            bad |= set(objects) - set(usable[shape.name])
            assert list(iter_rows(file, shape)) == [(n, shape.read(objects[n])) for n in usable[shape.name]]
            words = {}
            for number, row in objects.items():
                for problem in shape.look(row) if shape.problems(row) else ():
                    words.setdefault(problem.kind, []).append(number)
            for kind, lines in words.items():
                told = [e for e in report.errors if f": {kind}" in e and e.startswith(f"line{'s'[: len(lines) > 1]} ")]
                assert any(f" {min(lines)}" in each for each in told)
            assert len(report.errors) >= len(words)
        firsts = [int(error.split()[1].strip(",:")) for error in report.errors if not error.startswith("no known")]
        assert firsts == sorted(firsts)
        assert set(firsts) <= bad
        assert bool(bad) == bool(firsts)
        json.dumps(report.errors, ensure_ascii=False).encode()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400))
def test_no_bytes_break_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.jsonl"
    file.write_bytes(content)
    try:
        report = validate(file)
    except InvalidDataset:
        return
    assert report.num_rows == report.num_examples + report.num_bad == naive(content, rows.MAX_LINE)[0]
    assert report.num_examples < MIN_EXAMPLES or report.shape is None
