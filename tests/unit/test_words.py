"""Everything that people read exists in English and in Chinese, with the same in both; what machines read stays English."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from ingest.metering.vee.rules import RULES
from ingest.words import both, known, language, speaking, translated, words
from simulators.chinese import CHINESE

ROOT = Path(__file__).parents[2]
SPEAKING = (ROOT / "ingest" / "commands", ROOT / "ingest" / "demo", ROOT / "ingest" / "cli.py", ROOT / "ingest" / "storage",
            ROOT / "ingest" / "checks")  # fmt: skip
FAULTS = {"ClickException", "UsageError", "BadParameter", "MigrationFault", "StackError", "DemoFailed", "RegistryFault",
          "SeriesFault", "PublishError", "ScenarioFault"}  # fmt: skip
SAYING = {"echo", "say"}
_SENTENCE = re.compile(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}|Check METER")
_HELD = re.compile(r"\{\w+\}")
CHINESE_CHARACTER = re.compile("[\u4e00-\u9fff]")
MACHINE_READABLE = ("export ", "{left}", "{", "  +")

pytestmark = pytest.mark.usefixtures("no_language_asked_for")


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "en"), ({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
     ({"LC_MESSAGES": "zh_TW"}, "zh"),
     ({"LC_MESSAGES": "en_GB", "LANG": "zh_CN"}, "en"), ({"LANGUAGE": "zh:en", "LANG": "en_US.UTF-8"}, "zh"),
     ({"LANGUAGE": "fr:zh", "LANG": "zh_CN"}, "en"), ({"LANGUAGE": "zh", "LC_ALL": "C"}, "en"), ({"LANGUAGE": "zh"}, "zh"),
     ({"METERWARDEN_LANG": "zh", "LC_ALL": "C"}, "zh"), ({"METERWARDEN_LANG": "en", "LANG": "zh_CN"}, "en"),
     ({"LANG": "de_DE"}, "en")],
    ids=str,
)  # fmt: skip
def test_the_language_is_chosen_as_the_system_chooses_it(given: dict[str, str], expected: str) -> None:
    """--lang, LANGUAGE unless the locale is C, LC_ALL, LC_MESSAGES, LANG; neither Chinese nor known: English."""
    assert expected == language(given)


def test_speaking_ends_with_its_block() -> None:
    """One command's --lang is not the next one's."""
    with speaking("zh"):
        assert "二" == words("two", "二")
    assert "two" == words("two", "二")


def test_a_template_is_filled_with_translated_parts() -> None:
    """Faults hold faults; foreign text stays as it is."""
    text = "'a/b' is not one of 'x', 'y'."
    with speaking("zh"):
        assert "'--rule' 的值无效: 'a/b' 不在可选值 'x', 'y' 中。" == translated(f"Invalid value for '--rule': {text}")
        assert "数据库: connection refused" == translated("database: connection refused")
        assert "meters.csv:3: valid_to: 必须晚于 valid_from" == translated("meters.csv:3: valid_to: must lie after valid_from")
    assert text == translated(text)


def test_each_of_many_lines_is_translated() -> None:
    """A registry with two mistakes; and what is longer than any text of ours is not searched for one."""
    mistake = "meters.csv:{}: valid_to: must lie after valid_from"
    with speaking("zh"):
        lines = translated("\n".join(mistake.format(number) for number in range(2_000))).splitlines()
        long = translated("database: " + "x: (y), ; " * 1_000)

    assert ["meters.csv:99: valid_to: 必须晚于 valid_from"] * 2_000 == [re.sub(":\\d+:", ":99:", line) for line in lines]
    assert long.startswith("database: ")


def test_noting_gives_the_english_back() -> None:
    """Help is English until somebody asks."""
    assert "yes" == both("yes", "是")
    with speaking("zh"):
        assert "是" == translated("yes")


def _placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def test_noted_texts_and_templates_hold_the_same() -> None:
    """What is filled into one is filled into the other; the English has no Chinese in it, the Chinese has."""
    texts = known()
    assert len(texts) > 300
    for english, chinese in texts.items():
        assert not CHINESE_CHARACTER.search(english), english
        if _HELD.sub("", english).strip(": ") not in ("METERWARDEN_", ".csv"):  # the same in both
            assert CHINESE_CHARACTER.search(chinese), f"no Chinese: {english!r}"
        if "{" in english and "<" not in english:
            assert _placeholders(english) == _placeholders(chinese), english


def _sources() -> Iterator[tuple[Path, ast.AST]]:
    for place in SPEAKING:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield path, node


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _parts(node: ast.expr) -> list[str]:
    """What an f-string is filled with, by its code."""
    codes = {ast.unparse(part.value) for part in ast.walk(node) if isinstance(part, ast.FormattedValue)}
    return sorted(code.replace(".chinese", ".english") for code in codes if not CHINESE_CHARACTER.search(code) and "'" not in code)


def test_pairs_in_the_code_hold_the_same() -> None:
    """`words(english, chinese)`: two texts, the same values in both."""
    found = 0
    for path, node in _sources():
        if isinstance(node, ast.Call) and _name(node.func) in ("words", "both", "Text") and len(node.args) == 2:
            english, chinese = node.args
            if not isinstance(english, ast.Constant | ast.JoinedStr):
                continue
            found += 1
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            assert _parts(english) == _parts(chinese), where
            if all(isinstance(text, ast.Constant) for text in node.args):
                assert english.value.isascii() or not CHINESE_CHARACTER.search(english.value), where  # type: ignore[attr-defined]
                assert not english.value or chinese.value, where  # type: ignore[attr-defined]
    assert found > 100


def test_help_is_noted_and_never_spoken_before_a_language_is_known() -> None:
    """`words` in a decorator would keep the language of the moment when the module was loaded: use `both`."""
    early = []
    for path, node in _sources():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [call for decorator in node.decorator_list for call in ast.walk(decorator) if isinstance(call, ast.Call)]
            early += [f"{path.name}:{call.lineno}" for call in calls if _name(call.func) == "words"]

    assert [] == early


def _template(node: ast.expr) -> str | None:
    """A text that is not a pair: as it would look, every value a word."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr():
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "X1" for part in node.values)
        case ast.List(elts=[only]):
            return _template(only)
    return None


def test_no_bare_text_is_said_or_raised() -> None:
    """A text said to people, or raised for them, is a pair, or has its Chinese in a catalogue."""
    bare = []
    for path, node in _sources():
        if not isinstance(node, ast.Call) or _name(node.func) not in FAULTS | SAYING:
            continue
        for text in filter(None, map(_template, node.args[:1])):
            with speaking("zh"):
                is_told = CHINESE_CHARACTER.search(text) or translated(text) != text
            if re.search(r"[a-z]{3,} [a-z]{2,}", text) and not is_told and not text.startswith(MACHINE_READABLE):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text!r}")

    assert [] == bare


def test_no_sentence_of_a_command_stands_alone() -> None:
    """Wherever it is said from: beside its Chinese, in a pair or a tuple, or in a catalogue."""
    alone = []
    for path in sorted((ROOT / "ingest" / "commands").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        paired = {id(inner) for node in ast.walk(tree) if _is_paired(node) for inner in ast.walk(node)}
        for node in ast.walk(tree):
            is_sentence = isinstance(node, ast.Constant) and isinstance(node.value, str) and _SENTENCE.search(node.value)
            if is_sentence and id(node) not in paired and not _has_chinese(node.value):  # type: ignore[attr-defined]
                alone.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r}")  # type: ignore[attr-defined]

    assert [] == alone


def _is_paired(node: ast.AST) -> bool:
    """A pair of texts, or what people never read: docstrings, examples."""
    match node:
        case ast.Call(func=function):
            return _name(function) in ("words", "both", "Text", "step", "Progress", "good", "_changing")
        case ast.Tuple(elts=[_, chinese]):
            return bool(CHINESE_CHARACTER.search(ast.unparse(chinese)))
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.AnnAssign(target=ast.Name(id="EXAMPLES")):
            return True
    return False


def _has_chinese(text: str) -> bool:
    with speaking("zh"):
        return translated(text) != text


def test_what_the_simulator_says_has_its_chinese() -> None:
    """Its texts and faults, each by what the code writes."""
    bare = []
    for path in sorted((ROOT / "simulators" / "commands").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in FAULTS | SAYING:
                for text in filter(None, map(_template, node.args[:1])):
                    with speaking("zh"):
                        if re.search(r"[a-z]{3,} [a-z]{2,}", text) and translated(text) == text:
                            bare.append(f"{path.name}:{node.lineno}: {text!r}")

    assert [] == bare
    assert CHINESE.items() <= known().items()


def test_what_rules_say_of_themselves_has_its_chinese() -> None:
    """`findings show` tells it."""
    with speaking("zh"):
        said = {name: translated((rule.judge.__doc__ or "").strip().splitlines()[0]) for name, rule in RULES.items() if rule.judge}

    assert [] == [name for name, text in said.items() if not CHINESE_CHARACTER.search(text)]
