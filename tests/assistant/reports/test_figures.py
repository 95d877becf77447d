import math
from datetime import UTC, datetime

import pytest

from assistant.reports import figures
from assistant.wire import Estimate, Evidence, Source, Window
from tools.evidence import SourceKind


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not known"),
        (True, "yes"),
        (False, "no"),
        ("nulls", "nulls"),
        (math.nan, "not known"),
        (math.inf, "infinite"),
        (-math.inf, "minus infinite"),
        (3, "3"),
        (12345, "12,345"),
        (0.123456, "0.123"),
        (2.0, "2"),
        (1e300, "1e+300"),
    ],
)
def test_a_number_in_words(value: float | None, words: str) -> None:
    assert figures.number(value) == words


def test_an_unknown_interval_is_said_to_be_unknown() -> None:
    assert "interval not known" in figures.estimate(Estimate(value=0.5, low=math.nan, high=math.nan, unit="pp"))
    assert figures.estimate(Estimate(value=-0.12, low=-0.15, high=-0.09, unit="pp")) == "-0.12 pp [-0.15, -0.09] at 95%"


def test_p_values_stop_where_digits_mean_nothing() -> None:
    assert figures.probability("p", 1e-30) == "p < 1e-16"
    assert figures.probability("q", 0.0031) == "q 0.0031"
    assert figures.probability("q", math.nan) == "q not known"


def test_support_names_all_that_stands_behind_a_claim() -> None:
    window = Window(start=datetime(2013, 5, 4, 11, tzinfo=UTC), end=datetime(2013, 5, 5, 8, tzinfo=UTC))
    evidence = Evidence(
        claim="the share fell",
        effect=Estimate(value=-0.1, low=-0.2, high=-0.05),
        p_value=0.001,
        q_value=0.01,
        n=1200,
        window=window,
        method="block bootstrap",
        sources=(Source(kind=SourceKind.metric, ref="on_time_badge_share"),),
    )
    line = figures.support(evidence)
    for part in ("-0.1 [-0.2, -0.05]", "p 0.001", "q 0.01", "n 1,200", "2013-05-04 11:00 to 05-05 08:00 UTC"):
        assert part in line
    assert line.endswith("metric on_time_badge_share")


def test_a_window_over_new_year_names_both_years() -> None:
    window = Window(start=datetime(2013, 12, 31, tzinfo=UTC), end=datetime(2014, 1, 1, tzinfo=UTC))
    assert figures.span(window) == "2013-12-31 00:00 to 2014-01-01 00:00 UTC"
