"""The page has words for whatever may be in the way, and for nothing else."""

import inspect
import re
from pathlib import Path

import signalbox.signals.page as package
from signalbox.routing.ejection import Cause
from signalbox.signals import fetch, scraper

WORDS = Path(package.__file__).parent / "assets" / "words.js"


def test_each_kind_of_problem_has_words() -> None:
    sources = inspect.getsource(fetch) + inspect.getsource(scraper)
    kinds = re.findall(r'(?:Failed\(|problem = |return )"([A-Z]\w+)"', sources)
    assert {"TimedOut", "NoSeries", "TLSFailed"} <= set(kinds)
    (table,) = re.findall(r"const PROBLEMS = {(.*?)};", WORDS.read_text(), re.DOTALL)
    assert set(re.findall(r"(\w+): '", table)) == {*kinds, *(cause.name.lower() for cause in Cause)}
