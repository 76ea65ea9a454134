"""YAML with the place of every field."""

import pytest

from signalbox.local.yamlfile import YamlError, documents


def test_every_field_has_its_place() -> None:
    [document] = documents("spec:\n  routes:\n    - name: a\n      when: x\n    - name: b\n")
    assert document.data == {"spec": {"routes": [{"name": "a", "when": "x"}, {"name": "b"}]}}
    assert document.mark("spec.routes[0].when").line == 4
    assert document.mark("spec.routes[1]").line == 5


def test_an_absent_field_stands_at_its_parent() -> None:
    [document] = documents("kind: X\nspec:\n  routes:\n    - name: a\n")
    assert document.mark("spec.routes[0].weighted.targets").line == 4
    assert document.mark("metadata").line == 1


def test_text_lines_of_block_literals_begin_below_the_key() -> None:
    [document] = documents('when: |\n  a &&\n  b\nother: "x"\nfolded: >\n  a\n  b\n')
    assert (document.mark("when").line, document.mark("when").text_line) == (1, 2)
    assert document.mark("other").text_line == 4
    assert document.mark("folded").text_line == 0


def test_several_documents_and_empty_ones() -> None:
    assert [d.data for d in documents("---\na: 1\n---\n---\nb: 2\n")] == [{"a": 1}, {"b": 2}]
    assert documents("# nothing\n") == []


def test_dates_stay_strings_and_scalars_have_their_types() -> None:
    [document] = documents("{d: 2026-01-01, i: 3, f: 0.5, t: true, n: null, s: '3'}")
    assert document.data == {"d": "2026-01-01", "i": 3, "f": 0.5, "t": True, "n": None, "s": "3"}


def test_merges_keep_own_keys() -> None:
    [document] = documents("base: &b {x: 1, y: 2}\nother:\n  <<: *b\n  y: 3\n")
    assert document.data["other"] == {"x": 1, "y": 3}
    assert document.mark("other.y").line == 4
    assert document.mark("other.x").line == 1


def test_keys_with_punctuation_are_quoted_in_paths() -> None:
    [document] = documents('metadata:\n  labels:\n    "a.b/c": x\n')
    assert document.mark('metadata.labels["a.b/c"]').line == 3
    assert document.mark('metadata.labels["a.b/c"].deeper').line == 3


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 'the key "a" occurs twice', 3),
        ("a: [1, 2\nb: 3\n", "expected ',' or ']'", 2),
        ("a: &x [*x]\n", "contains itself", 1),
        ("1: a\n", 'quote it ("1")', 1),
        ("a: !!python/object:os.system {}\n", "no meaning here", 1),
        ("a:\n  - b\n  c: d\n", "", 3),
        ("ok: 1\nbad: \x01\n", "does not allow", 2),
        ("{}: 1\n", "a key must be a string", 1),
        ("a: !!int x\n", "type int", 1),
        ("<<: 3\n", "merges mappings only", 1),
    ],
)
def test_what_is_no_yaml_says_where(text: str, message: str, line: int) -> None:
    with pytest.raises(YamlError) as caught:
        documents(text)
    assert message in caught.value.message
    assert caught.value.line == line


def test_aliases_cannot_explode() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))
    with pytest.raises(YamlError, match="million"):
        documents(f"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{levels}\n")


def test_deep_nesting_is_an_error() -> None:
    with pytest.raises(YamlError):
        documents("[" * 20_000)
