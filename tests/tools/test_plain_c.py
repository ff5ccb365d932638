"""C without QEMU's macros: every line and column stays, and what is left balances."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.tools._plain_c import plain, variants


def shape(text: str) -> list[int]:
    return [len(line) for line in text.split("\n")]


def flat(text: str) -> str:
    return " ".join(plain(text).split())


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("static int coroutine_fn f(void);", "static int f(void);"),
        ('log("0x%" HWADDR_PRIx "!", a);', 'log("0x%" "x" "!", a);'),
        ('log("%" PRIu64, a);', 'log("%" "x" , a);'),
        ("    QTAILQ_FOREACH(dev, &bus->devs, next) {\n}", "while (dev = &bus->devs) { }"),
        ("    QLIST_FOREACH_SAFE(a, HEAD(x), link, tmp) {\n}", "while (a = HEAD(x)) { }"),
        ("    WITH_RCU_READ_LOCK_GUARD() {\n}", "if (1) { }"),
        ("    CPU_FOREACH(cpu) {\n}", "if (1) { }"),
        ("struct s { QTAILQ_ENTRY(Foo) next; };", "struct s { struct _q next; };"),
        ("    g_autoptr(GError) err = NULL;", "GError * err = NULL;"),
        ("    g_autofree char *p = NULL;", "char *p = NULL;"),
        ("case 0 ... 7:\n    x();", "case 0 : x();"),
        ("type_init(f)\n", ""),
        ("n = SIZE(glue(a_, B));", "n = SIZE(a_ );"),
        ("void glue(glue(put_, A), B)(int x);", "void put_ (int x);"),
        ("OBJECT_DECLARE_SIMPLE_TYPE(A,\n                           B)\nint x;", "int x;"),
        ("#define OPEN \\\n    {\nint x;", "int x;"),
        ('#include "a.h"\nint x;', '#include "a.h" int x;'),
        ("#if 0\nbroken {\n#endif\nint x;", "int x;"),
        ("#ifdef A\nint a;\n#else\nint b;\n#endif\n", "int a; int b;"),
        ("#ifdef A\nif (a) {\n#else\nif (b) {\n#endif\n}", "if (a) { }"),
        ("#ifdef A\nif (a) {\n#ifdef B\nb();\n#endif\n#elif C\nif (c) {\n#endif\n}", "if (a) { b(); }"),
        ('#ifdef A\nlog("{");\n#else\n/* } */ x();\n#endif', 'log("{"); /* } */ x();'),
        ("/* text\n#if 0\n*/\nint x;\n/* #endif */", "/* text #if 0 */ int x; /* #endif */"),
    ],
)
def test_what_a_parser_without_headers_trips_over_is_put_aside(source, left):
    assert flat(source) == left
    assert shape(plain(source)) == shape(source)


@pytest.mark.parametrize("condition", ["X > 0", "DEBUG == 0", "defined(X) || 0", "10", "0 || X"])
def test_an_if_is_taken_out_only_where_nothing_but_zero_is_its_condition(condition):
    assert flat(f"#if {condition}\nint a;\n#endif") == "int a;"
    for never in ("#if 0", "# if (0) // old", "#if 0 /* old */"):
        assert flat(f"{never}\nint a;\n#endif") == ""


LIVE = "bad();"
COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)


@pytest.mark.parametrize(
    "source",
    [
        # What looks like a directive, within a comment or a string.
        f"// x\x0c#if 0\n{LIVE}\n// x\x0c#endif\n",
        f"// x\u2028#if 0\n{LIVE}\n// x\u2028#endif\n",
        f"// x\r#if 0\n{LIVE}\n// x\r#endif\n",
        f"// x \\\n#if 0\n{LIVE}\n// x \\\n#endif\n",
        f"// x \\ \n#if 0\n{LIVE}\n// x \\ \n#endif\n",
        f'char *a = "\\\n#if 0";\n{LIVE}\nchar *b = "\\\n#endif";\n',
        f"int n = 1'000; /*\n#if 0\n*/\n{LIVE}\nint m = 1'000; /*\n#endif\n*/\n",
        f"#define A /* a\n*/ #if 0\n{LIVE}\n#define B /* b\n*/ #endif\n",
        # A condition that is not zero alone.
        f"#if 0 /* x */ || 1\n{LIVE}\n#endif\n",
        f"#if (0) + 1\n{LIVE}\n#endif\n",
        f"#if 0 /* a\nb */ || 1\n{LIVE}\n#endif\n",
        f"#if 0 \\\n|| 1\n{LIVE}\n#endif\n",
        # A further arm that is easily overlooked.
        f"#if 0\n/* x */ #else\n{LIVE}\n#endif\n",
        f"#if 0\n/* a\nb */ #else\n{LIVE}\n#endif\n",
        f"#if 0\n\x0c# /* x */ else\n{LIVE}\n#endif\n",
        f"#if 0\n%:else\n{LIVE}\n#endif\n",
        f"#if 0\n#elifndef A\n{LIVE}\n#endif\n",
        f"#if 0\ndon't /*\n#else\n{LIVE}\n#endif\n",
        f"#if 0\n??=else\n{LIVE}\n#endif\n",
        # What begins a line and no directive: code before it goes on.
        f"#define IGN(x)\nvoid f(void) {{ IGN( /*\n*/ # ) {LIVE} }}\n",
        f"#define IGN(x)\nvoid f(void) {{ IGN( /* a\n*/ /* b\n*/ # ) {LIVE} }}\n",
        f"#define IGN(x)\nvoid f(void) {{ IGN(\n## ) {LIVE} }}\n",
        f"#define IGN(x)\nvoid f(void) {{ IGN(\n%:%: ) {LIVE} }}\n",
        f"#define IGN(x)\nvoid f(void) {{ IGN(\n??= ) {LIVE} }}\n",
        f"#define IGN(x)\nIGN(\n\u00a0 /*\n*/ #if 0\n) {LIVE} IGN(\n\u00a0 /*\n*/ #endif\n)\n",
        f"#define IGN(x)\nIGN(\n\x1c /*\n*/ #if 0\n) {LIVE} IGN(\n\x1c /*\n*/ #endif\n)\n",
        f"#if 0\n\0 /*\n*/ #else\n{LIVE}\n#endif\n",
        f"#if 0\n??=else\n#define IGN(x)\nf() {{ IGN(\n??=??= ) {LIVE} }}\n#endif",
        f"#if 0\n??=else\n#define IGN(x)\nf() {{ IGN(\n??=# ) {LIVE} }}\n#endif",
        f"#if 0\n??=else\n#define IGN(x)\nf() {{ IGN(\n#??= ) {LIVE} }}\n#endif",
        # A comment that ends where a directive begins goes with what is before it.
        f"/* foo\n*/ #if 0\nx\n#endif\n{LIVE}\n/* end */\n",
        f"/* foo\n*/ #if A\nif (x) {{\n#else\nif (y) {{ {LIVE}\n#endif\n}}\n/* e */",
        f"#if A\nif (x) {{\n/* a\n*/ #else\nif (y) {{\n#endif\n{LIVE} /* end */ }}\n",
        # An arm within an arm, neither of them balanced.
        f"#if A\nf() {{\n#if B\nif (x) {{\n#else\nif (y) {{ {LIVE}\n#endif\n}}\n#else\ng() {{\n#endif\n}}",
        f"#if A\nf() {{\n#else\n#if B\ng() {{\n#else\nh() {{ {LIVE}\n#endif\n#endif\n}}",
        # No line goes on behind blanks that only Unicode knows.
        f"#define A \\\u2028\n{LIVE}\n",
    ],
)
def test_what_a_compiler_sees_is_put_aside_by_no_trick_of_spelling(source):
    assert any(LIVE in COMMENT.sub("", text) for text in variants(source))
    assert shape(plain(source)) == shape(source)


def test_a_carriage_return_alone_is_read_both_ways_that_compilers_read_it():
    """To gcc all of it is one comment; to clang, `bad()` is code."""
    assert [text.split("\n")[1:2] for text in variants(f"// x\r{LIVE}")] == [[], [LIVE]]
    assert len(list(variants(f"// x\r\n{LIVE}\r\n"))) == 1


def test_every_arm_stays_in_one_of_the_variants():
    source = "#ifdef A\nif (a) {\n#elif B\nif (b) {\n#else\nif (c) {\n#endif\n}\n#ifdef D\n{\n#else\n{ d();\n#endif\n}"
    texts = [" ".join(text.split()) for text in variants(source)]
    assert texts == ["if (a) { } { }", "if (b) { } { d(); }", "if (c) { } { }"]
    assert {tuple(shape(text)) for text in variants(source)} == {tuple(shape(source))}


def test_what_is_never_compiled_is_put_aside_with_all_that_is_in_it():
    inner = "#ifdef A\nf({\n#else\ng({\n#endif\n"
    texts = list(variants(f"#if 0\n{inner}#else\nh();\n{inner}#endif\n#if 0\n{inner}#endif\nx(){{\n"))
    assert ["".join(text.split()) for text in texts] == ["h();f({x(){", "h();g({x(){"]


def test_trigraphs_are_read_both_ways_that_compilers_read_them():
    assert list(variants("x ??/ \ny\n")) == ["x ??/ \ny\n", "x \\   \ny\n"]
    assert list(variants('s = "a??/" /* ";\n')) == ['s = "a??/" /* ";\n', 's = "a  \\" /* ";\n']
    assert len(list(variants("// really??!\n"))) == 1


def test_each_arm_within_an_arm_stays_in_one_of_the_variants():
    inner = "#if X\nx{}({{\n#elif Y\ny{}({{\n#else\nz{}({{\n#endif\n"
    source = "#if A\n{\n" + inner.format(1, 1, 1) + "}\n#elif B\n" + inner.format(2, 2, 2) + "#else\nw({\n#endif\n}"
    texts = ["".join(text.split()) for text in variants(source)]
    first = ["{x1({}}", "{y1({}}", "{z1({}}"]
    assert texts == [*first, "x2({}", "y2({}", "z2({}", "w({}"]
    # Where the outer arms are balanced, all of them stay, each with the inner arm that is its turn.
    closed = source.replace("}\n#elif", "}}\n#elif").replace("#else\nw({", "}\n#else\nw({}")[:-2]
    texts = ["".join(text.split()) for text in variants(closed)]
    assert texts == ["{x1({}}x2({}w({}", "{y1({}}y2({}w({}", "{z1({}}z2({}w({}"]


def test_a_comment_that_a_spliced_line_opens_within_a_directive_is_one_to_its_end():
    source = f"#define X /\\\n* text\n if (x) {{ */\n{LIVE}\n"
    assert plain(source).split("\n") == ["          /\\", "* text", " if (x) { */", LIVE, ""]


def test_as_many_ifs_within_each_other_as_anybody_likes_are_read():
    deep = 1_100
    source = "#if A\n" * deep + f"{LIVE}\n" + "#endif\n" * deep
    assert LIVE in plain(source)


def test_code_that_only_looks_like_a_macro_stays():
    source = "int f(void)\n{\n    MIN(a, b);\n    x = FIELD(a) ? PRIORITY : PRIVATE_D;\n    return ABS(x);\n}\n"
    assert plain(source) == source


PIECES = [
    "#if X\n",
    "#else\n",
    "#endif\n",
    "#define A \\\n",
    "{",
    "}",
    "/*",
    "*/",
    '"',
    "'",
    "\n",
    "f(a, b)",
    "\\",
    " ",
]
PIECES += [
    "QLIST_FOREACH(a, b, c) {",
    "case 1 ... 2:",
    "g_autoptr(X) y;",
    "WITH_A_GUARD(x) {",
    "glue(a, b)",
    "type_init(x)\n",
]
PIECES += ["é", "\r\n", "\r", "\x0c", "\u2028", "//", "#if 0\n", "/* a\n*/ #else\n", "1'0"]
pieces = st.sampled_from(PIECES)


@given(st.lists(pieces, max_size=30).map("".join))
def test_every_line_keeps_its_length_whatever_the_text(source):
    assert shape(plain(source)) == shape(source)


@given(st.text(max_size=200))
def test_any_text_is_survived(source):
    assert shape(plain(source)) == shape(source)
