"""Attention of other libraries' models: the committed table, and a few of its rows anew."""

from collections import Counter

import pytest
import torch
from torch import nn

from experiments.probe_zoo.__main__ import TABLE, main
from experiments.probe_zoo.count import counted
from experiments.probe_zoo.networks import models, woken
from experiments.probe_zoo.table import total
from experiments.probe_zoo.trial import Row
from experiments.probe_zoo.witness import Witness
from experiments.zoo_rows import read_rows
from filters import DenseShift
from gsp_nonlocal.probe import Trace

CHEAP = [
    "timm.efficientvit_b0",
    "timm.test_vit",
    "torchvision.swin_t",
    "transformers.bert+eager",
    "transformers.big_bird",
    "transformers.gpt_oss",
    "transformers.nystromformer",
    "transformers.rwkv",
]
"""All ways of writing attention, linear attention, pieces, sinks, crossings, and none."""


def test_the_table_is_complete_and_nothing_in_it_is_silent():
    rows = read_rows(Row, TABLE)
    assert rows.keys() == dict(models()).keys()
    table = list(rows.values())
    of = {
        kind: sum(row.library == kind and row.attentions != "0" for row in table)
        for kind in ("timm", "transformers")
    }
    assert of["timm"] >= 80
    assert of["transformers"] >= 30
    assert total(table, "caught") >= 0.95 * total(table, "attentions")
    for row in table:
        assert int(row.attentions) == int(row.caught) + int(row.named), row
        assert row.silent == row.beyond == "0", row
        assert row.equal in ("yes", ""), row
        assert row.equal or row.attentions == "0", row
        assert not row.difference or float(row.difference) <= 1e-5, row


def test_the_page_says_what_the_table_says():
    page = (TABLE.parents[2] / "docs" / "analysis.md").read_text(encoding="utf-8")
    table = list(read_rows(Row, TABLE).values())
    for library in ("timm", "transformers", "torchvision", "diffusers"):
        rows = [row for row in table if row.library == library]
        numbers = [total(rows, part) for part in ("attentions", "caught", "named", "silent")]
        cells = [library, len(rows), sum(row.attentions != "0" for row in rows), *numbers]
        assert "| " + " | ".join(map(str, cells)) + " |" in page
    worst = max(float(row.difference) for row in table if row.difference)
    for said in (
        f"runs {len(table)} models",
        f"of {total(table, 'compared')} attentions",
        f"but {total(table, 'linear')} linear attentions",
        f"at most {worst:.1e}".replace("e-0", "e-"),
    ):
        assert said in page


COUNTS = (
    "attentions",
    "caught",
    "named",
    "silent",
    "linear",
    "beyond",
    "gates",
    "compared",
    "equal",
    "notes",
)


def test_rows_are_as_in_the_table(tmp_path, capsys):
    table = tmp_path / "probe.csv"
    main(["--models", *CHEAP[:1], "--table", str(table)])
    main(["--models", *CHEAP[1:], "--table", str(table)])  # the row that is there stays
    found, wanted = read_rows(Row, table), read_rows(Row, TABLE)
    assert sorted(found) == CHEAP
    for name, row in found.items():
        assert [getattr(row, part) for part in COUNTS] == [getattr(wanted[name], part) for part in COUNTS]
        assert not row.difference or float(row.difference) <= 1e-5
    assert f"all: {len(CHEAP)} models" in capsys.readouterr().out


def test_an_unknown_model_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--models", "timm.nothing"])
    assert "no model 'timm.nothing' in the zoo" in capsys.readouterr().err


class Two(nn.Module):
    """Runs ``function`` of ``x (B, N, C)`` and a map."""

    def __init__(self, function):
        super().__init__()
        self.map, self.function = nn.Linear(4, 4, bias=False), function

    def forward(self, x):
        return self.function(x, self.map)


def soft(x):
    return torch.softmax(x, dim=-1)


SEEN = {
    "weights and values": (lambda x, m: soft(x @ x.mT).clone() @ x, 1, 0),
    "of values by rows": (lambda x, m: x.mT @ torch.softmax(x @ x.mT, dim=-2), 1, 0),
    "one softmax, two products": (lambda x, m: (a := soft(x @ x.mT)) @ x + a @ m(x), 1, 1),
    "mixed by a map": (lambda x, m: m(soft(x @ x[:, :4].mT)) @ x[:, :4], 1, 0),
    "a chain": (lambda x, m: soft(x @ x[:, :2].mT) @ (soft(x[:, :2] @ x.mT) @ x), 1, 0),
    "one after the other": (lambda x, m: soft(x @ x.mT) @ m(soft(x @ x.mT) @ x), 2, 0),
    "a kernel": (lambda x, m: nn.functional.scaled_dot_product_attention(*(x.unsqueeze(1),) * 3), 1, 0),
    "a prediction": (lambda x, m: m(soft(x)), 0, 0),
    "a gate": (lambda x, m: x * soft(x), 0, 0),
    "linear": (lambda x, m: x @ (x.mT @ x), 0, 0),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_the_witness_counts(case):
    function, number, again = SEEN[case]
    torch.manual_seed(0)
    with torch.no_grad(), Witness(Two(function)) as witness:
        witness.model(torch.randn(2, 5, 4))
    assert len(witness.seen) == number
    assert witness.again.total() == again
    assert {one.path for one in witness.seen} <= {""}


def test_the_witness_sees_the_weights_as_they_are_applied():
    x = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), Witness(Two(SEEN["of values by rows"][0])) as witness:
        witness.model(x)
    (one,) = witness.seen
    wanted = soft(x @ x.mT)
    assert one.graphs == 2
    torch.testing.assert_close(torch.stack(one.weights), wanted)


def test_attention_of_woken_networks_is_uneven():
    """Else an affinity could be wrong by much, and differ by little."""
    torch.manual_seed(0)
    network, (image,) = dict(models())["timm.test_vit"].build()
    greatest = []
    for _ in range(2):
        with torch.no_grad(), Witness(network) as witness:
            network(image)
        greatest.append(float(witness.seen[-1].weights[0].max()) * witness.seen[-1].weights[0].shape[-1])
        woken(network, (image,))
    assert greatest[0] < 1.5
    assert greatest[1] > 3


def test_attentions_are_counted_where_they_are_missed_named_or_too_many():
    trace = Trace(DenseShift(torch.eye(3).unsqueeze(0)), torch.ones(1, 3, 1), lambda z, s: z, None)
    count = counted(
        Counter({"a.inner": 2, "b": 2, "c": 1, "d": 1}),
        {"a": [trace, trace], "b": [trace], "c": [trace] * 3, "e": [trace]},
        {"d.gate": "why"},
        Counter({"c": 1}),
    )
    assert count.caught == 4
    assert count.named == {"d": 1}
    assert count.silent == {"b": 1}
    assert count.beyond == {"c": 1, "e": 1}
