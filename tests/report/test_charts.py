from secdl.report.charts import bars

ROWS = (("semgrep", 21.4), ("bandit", 3.2), ("trivy", 0.0))


def test_a_chart_names_its_bars_and_its_unit() -> None:
    drawn = bars(ROWS, label="Wall time by job", unit="seconds", prefix="c-")
    assert drawn is not None
    assert 'role="img" aria-label="Wall time by job"' in drawn
    for name in ("semgrep", "bandit", "trivy", "seconds"):
        assert f">{name}</text>" in drawn


def test_the_same_rows_give_the_same_drawing() -> None:
    assert bars(ROWS, label="x", unit="s", prefix="c-") == bars(ROWS, label="x", unit="s", prefix="c-")


def test_nothing_is_drawn_where_there_is_nothing_to_compare() -> None:
    assert bars((("a", 3.0), ("b", 0.0)), label="x", unit="s", prefix="c-") is None
    assert bars((), label="x", unit="s", prefix="c-") is None


def test_hostile_names_stay_text() -> None:
    drawn = bars((("</svg><script>alert(1)</script>", 1.0), ("\ud800\x00", 2.0)), label="x", unit="s", prefix="c-")
    assert drawn is not None
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
