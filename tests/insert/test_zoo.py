"""Insertion into models of timm and torchvision: the committed table, and a few of its rows anew."""

import pytest

from experiments.insertion_zoo.__main__ import TABLE, main
from experiments.insertion_zoo.networks import models
from experiments.insertion_zoo.trial import Row, agrees
from experiments.zoo_rows import read_rows
from gsp_nonlocal.insert import ChannelsFirst, ChannelsLast, Tokens

CHEAP = ["timm.regnetx_002", "timm.test_mambaout", "timm.deit_tiny_distilled_patch16_224", "timm.densenet121"]


def test_the_table_is_complete_and_nothing_in_it_is_silently_wrong():
    rows = read_rows(Row, TABLE)
    assert rows.keys() == dict(models()).keys()
    assert len({row.family for row in rows.values() if row.library == "timm"}) >= 90
    for row in rows.values():
        assert row.verdict in ("right", "refused") and row.verdict_without in ("right", "refused"), row
        assert row.verdict == "refused" or row.runs == "1"
        assert row.verdict == "right" or any(word in row.with_example for word in ("name ", "pass ")), row
        remedies = ("example=", "name ")
        assert row.verdict_without == "right" or any(word in row.without_example for word in remedies), row


def test_rows_are_as_in_the_table(tmp_path, capsys):
    table = tmp_path / "insertion.csv"
    main(["--models", *CHEAP[:2], "--table", str(table)])
    main(["--models", *CHEAP[2:], "--table", str(table)])  # the rows that are there stay
    found, wanted = read_rows(Row, table), read_rows(Row, TABLE)
    assert list(found) == [name for name in wanted if name in CHEAP]
    assert all(found[name] == wanted[name] for name in CHEAP)
    assert "4 models, with an example: 3 right, 1 refused" in capsys.readouterr().out


def test_an_unknown_model_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--models", "timm.nothing"])
    assert "no model 'timm.nothing' in the zoo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("told", "channels", "layout", "right"),
    [
        ("8 NCHW", 8, ChannelsFirst(), True),
        ("8 NCHW", 7, ChannelsFirst(), False),
        ("8 NHWC", 8, ChannelsFirst(), False),
        ("8 NHWC", 8, ChannelsLast(), True),
        ("8 NLC+1", 8, Tokens(1), True),
        ("8 NLC+1", 8, Tokens(0), False),
        ("8 NLC+0", 8, ChannelsFirst(), False),
        ("8 NHWC", 8, Tokens(0), False),
    ],
)
def test_what_counts_as_right(told, channels, layout, right):
    assert agrees(told, channels, layout) is right
