"""Every public name says what it is, what it takes, and shows it in an example, which runs as a doctest."""

import inspect

import pytest
from public_names import homes

NAMES = [name for name in homes().values() if name.directive != "autodata"]
MADE_ELSEWHERE = {"args", "kwargs", "self"}


def text(name):
    return inspect.getdoc(name.value) or ""


def parameters(name):
    try:
        return set(inspect.signature(name.value).parameters) - MADE_ELSEWHERE
    except ValueError:  # of a class whose making is Python's own
        return set()


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.path)
def test_it_has_an_example(name):
    assert ">>> " in text(name)


@pytest.mark.parametrize("name", [n for n in NAMES if parameters(n)], ids=lambda name: name.path)
def test_it_says_what_it_takes(name):
    assert "Args:" in text(name) or "Attributes:" in text(name)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.path)
def test_it_begins_with_a_sentence(name):
    first = text(name).split("\n\n")[0]
    assert first.rstrip().endswith((".", ":")) and len(first) > 15
