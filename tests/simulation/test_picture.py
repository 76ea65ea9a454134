"""The picture: well-formed, at scale, and nothing of a name becomes markup."""

from xml.etree import ElementTree

import pytest

from signalbox.simulation.picture import HEIGHT, LEFT, RIGHT, WIDTH, Line, Panel, Span, draw

SVG = "{http://www.w3.org/2000/svg}"


def points(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    found = []
    for line in root.iter(f"{SVG}polyline"):
        pairs = (pair.split(",") for pair in line.attrib["points"].split())
        found.append([(float(x), float(y)) for x, y in pairs])
    return found


def test_values_are_where_the_axis_says() -> None:
    root = ElementTree.fromstring(draw("t", "n", [Panel("p", [Line("a", [(0.0, 0.0), (50.0, 4.0)])])], 100.0))
    ((begin, end),) = points(root)
    assert begin[0] == LEFT
    assert end[0] == pytest.approx((LEFT + WIDTH - RIGHT) / 2)
    assert begin[1] - end[1] == pytest.approx(HEIGHT)


def test_names_are_text() -> None:
    root = ElementTree.fromstring(draw("<b>", "&", [Panel("<i>", [Line("<u>&", [(0.0, 1.0)])])], 10.0, [Span(1, 2)]))
    assert {"<b>", "&", "<i>", "<u>&"} <= {text.text for text in root.iter(f"{SVG}text")}


@pytest.mark.parametrize("highest", [0.0, 1e-6, 0.37, 1.0, 999.0, 1e7])
def test_any_height_has_a_grid(highest: float) -> None:
    root = ElementTree.fromstring(draw("t", "n", [Panel("p", [Line("a", [(0.0, highest)])])], 10.0))
    assert 2 <= len([line for line in root.iter(f"{SVG}line") if line.get("class") == "grid"]) <= 6
