"""Pages of hand-written prose around generated tables: the tables are filled in, the prose checked by them.

The place of a table is marked by two comments, ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
"""

import re
from collections.abc import Mapping, Sequence

_PLACE = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", re.DOTALL)
_NUMBER = re.compile(r"−?\d[\d,]*(?:\.\d+)?(?:e−?\d+)?°?")
_UNTOLD = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|et al\.\s+\(\d{4}\)", re.DOTALL)
UNMEASURED = 100
"""Whole numbers below it, as in "order 3", are no measurements."""


def filled(page: str, tables: Mapping[str, Sequence[str]]) -> str:
    """Return the page with its tables, each a list of lines, in their places; all else stays as it is.

    Raises:
        ValueError: If the page has a place for a table that is unknown, or lacks one, or has one twice.

    Examples:
        >>> filled("<!-- table: a -->\\nold\\n<!-- end of table -->", {"a": ["| new |"]}).splitlines()
        ['<!-- table: a -->', '', '| new |', '', '<!-- end of table -->']
    """
    places = _PLACE.findall(page)
    if sorted(places) != sorted(tables):
        raise ValueError(f"the page has places for {places}; the tables are {list(tables)}, each once")
    return _PLACE.sub(lambda found: _place(found[1], tables[found[1]]), page)


def bare(title: str, tables: Mapping[str, Sequence[str]]) -> str:
    """Return a page of the tables alone."""
    parts = (f"\n## {name.capitalize()}\n\n{_place(name, lines)}\n" for name, lines in tables.items())
    return f"# {title}\n{''.join(parts)}"


def _place(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"<!-- table: {name} -->", "", *lines, "", "<!-- end of table -->"])


def unfounded(page: str) -> list[str]:
    """Return what the prose quotes and no table says.

    A number must stand in a table; one that follows a network's name in parentheses, in a row of that name.
    Free are numbers in headings, code and addresses, and whole ones below 100 outside of such parentheses.

    Examples:
        >>> page = "a (0.5), b (0.5)\\n<!-- table: t -->\\n| a | 0.5 |\\n| b | 0.7 |\\n<!-- end of table -->"
        >>> unfounded(page)
        ['b: 0.5']
    """
    rows = [line.strip("| ").split(" | ") for place in _PLACE.finditer(page) for line in _rows(place[0])]
    told: dict[str, set[str]] = {}
    for name, *cells in rows:
        told.setdefault(name, set()).update(_NUMBER.findall(" ".join(cells)))
    prose = " ".join(_prose(page).split())
    found = [
        f"{name}: {number}"
        for name in told
        for inside in re.findall(rf"(?<![\w#]){re.escape(name)} \(([^()]*)\)", prose)
        for number in _NUMBER.findall(inside)
        if number.rstrip(",") not in told[name]
    ]
    everything = set().union(*told.values(), _NUMBER.findall(" ".join(name for name in told)))
    numbers = (number.rstrip(",") for number in _NUMBER.findall(prose))
    return found + [number for number in numbers if number not in everything and not _is_small(number)]


def _is_small(number: str) -> bool:
    digits = number.removeprefix("−")
    return digits.isdecimal() and int(digits) < UNMEASURED


def _rows(place: str) -> list[str]:
    return [line for line in place.splitlines() if line.startswith("|")]


def _prose(page: str) -> str:
    lines = _UNTOLD.sub(" ", _PLACE.sub(" ", page)).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("#", "!")))
