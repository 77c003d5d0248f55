"""The JSON as other programs read it: its shape, its schema, nothing that JSON does not have."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from mpdiag.diagnosis import Account, Evidence
from mpdiag.reporters import jsonfile
from mpdiag.reporters.style import Style
from tests.reporters.hostile import NAMES, poisoned
from tests.reporters.pipelines import PIPELINE
from tests.reporters.samples import BIG_ARGUMENT, CHATTY, EMPTY, SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads(files("mpdiag.reporters").joinpath("schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def strict(text):
    """Parse as RFC 8259 has it: NaN and Infinity are not JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def parsed(diagnosis):
    return strict(jsonfile.render(diagnosis, Style()))


def test_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_every_object_of_the_schema_says_what_else_it_may_hold():
    def objects(part: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
        if isinstance(part, dict):
            yield from ([part] if part.get("type") == "object" else [])
            part = list(part.values())
        if isinstance(part, list):
            for inner in part:
                yield from objects(inner)

    found = list(objects(SCHEMA))
    assert len(found) > 10
    assert all("additionalProperties" in part and part["required"] for part in found)


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_keep_to_the_schema(sample):
    VALIDATOR.validate(parsed(SAMPLES[sample]))


@pytest.mark.parametrize("hostile", NAMES)
def test_hostile_names_keep_to_the_schema_and_survive(hostile):
    document = parsed(poisoned(BIG_ARGUMENT, NAMES[hostile]))
    VALIDATOR.validate(document)
    assert document["findings"][0]["site"]["file"] == NAMES[hostile]
    assert document["run"]["command"][0] == NAMES[hostile]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("verdict"),
        lambda document: document.update(extra=1),
        lambda document: document.update(schema="mpdiag/2"),
        lambda document: document["run"].update(wall_s="3 s"),
        lambda document: document["run"].update(tasks=-1),
        lambda document: document["findings"][0].update(severity="fatal"),
        lambda document: document["findings"][0]["site"].pop("line"),
        lambda document: document["findings"][0]["evidence"][0].update(unit="ms"),
        lambda document: document["accounting"]["shares"].pop("compute"),
    ],
)
def test_schema_refuses_what_is_not_a_diagnosis(spoil):
    document = parsed(BIG_ARGUMENT)
    spoil(document)
    assert not VALIDATOR.is_valid(document)


def test_shape_is_the_published_one_in_its_order():
    document = parsed(BIG_ARGUMENT)
    assert list(document) == [
        "schema",
        "run",
        "verdict",
        "accounting",
        "pools",
        "findings",
        "what_if",
        "skipped",
        "failed",
        "losses",
        "overhead",
        "channels",
    ]
    assert document["schema"] == "mpdiag/1"
    assert list(document["accounting"]["shares"]) == [
        "compute",
        "unpickle",
        "pickle",
        "transfer",
        "wait_task",
        "wait_lock",
        "wait_receive",
        "wait_send",
        "startup",
        "manager",
        "idle",
        "unaccounted",
    ]
    assert list(document["findings"][0]) == [
        "rule",
        "severity",
        "confidence",
        "title",
        "site",
        "evidence",
        "fix",
        "savings",
    ]
    assert {"seconds", "share"} <= set(document["overhead"])
    assert list(document["verdict"])[-1] == "bottleneck"
    channel = parsed(PIPELINE)["channels"][0]
    assert list(channel) == ["kind", "operation", "site", "processes", "count", "bytes", "waited_s"]


def test_channels_are_all_there_and_as_they_were_measured():
    document = parsed(PIPELINE)
    assert len(document["channels"]) == len(PIPELINE.channels)
    assert document["channels"][1] == {
        "kind": "AutoProxy[Ledger]",
        "operation": "__setitem__",
        "site": {"file": "/home/ann/trading/totals.py", "line": 113, "function": "Totals.count"},
        "processes": 2,
        "count": 12_004,
        "bytes": 1_104_000,
        "waited_s": 0.87,
    }
    assert document["verdict"]["bottleneck"].startswith("the main process works 97 %")
    assert parsed(CHATTY)["verdict"]["bottleneck"] is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document["channels"][0].update(extra=1),
        lambda document: document["channels"][0].pop("waited_s"),
        lambda document: document["channels"][0].update(count=-1),
        lambda document: document["channels"][0].update(bytes=1.5),
        lambda document: document["channels"][0].update(kind=None),
        lambda document: document.pop("channels"),
        lambda document: document["verdict"].update(bottleneck=3),
        lambda document: document["accounting"]["shares"].pop("wait_send"),
    ],
)
def test_schema_refuses_what_are_no_channels(spoil):
    document = parsed(PIPELINE)
    spoil(document)
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("hostile", NAMES)
def test_hostile_channels_keep_to_the_schema(hostile):
    document = parsed(poisoned(PIPELINE, NAMES[hostile]))
    VALIDATOR.validate(document)
    assert document["channels"][0]["kind"] == document["verdict"]["bottleneck"] == NAMES[hostile]


def test_document_is_the_diagnosis():
    document = parsed(CHATTY)
    assert document["run"]["wall_s"] == CHATTY.run.wall_s
    assert document["findings"][0]["fix"]["snippet"] == CHATTY.findings[0].fix.snippet
    assert document["findings"][0]["savings"]["low"] == 2.71
    assert document["accounting"]["efficiency"] == {"useful": document["accounting"]["shares"]["compute"]}
    assert math.isclose(sum(document["accounting"]["shares"].values()), 1)
    assert document["overhead"]["share"] == pytest.approx(0.187 / (3.42 + 12.96))


def test_writing_what_was_read_gives_the_same_text():
    text = jsonfile.render(BIG_ARGUMENT, Style())
    assert json.dumps(json.loads(text), indent=2) + "\n" == text


def test_nothing_recorded_is_nothing_and_not_a_division_by_zero():
    document = parsed(replace(EMPTY, run=replace(EMPTY.run, wall_s=0.0)))
    assert set(document["accounting"]["shares"].values()) == {0.0}
    assert document["accounting"]["efficiency"] == {"useful": None}
    assert document["overhead"]["share"] is None


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf")])
def test_numbers_that_are_not_finite_become_null(odd):
    document = parsed(
        replace(
            CHATTY,
            run=replace(CHATTY.run, wall_s=odd),
            accounting=Account(odd, (), odd),
            findings=(replace(CHATTY.findings[0], evidence=(Evidence("odd", odd, "s"),)),),
        )
    )
    assert document["run"]["wall_s"] is None
    assert document["findings"][0]["evidence"][0]["value"] is None
    VALIDATOR.validate(document)


def test_numpy_numbers_are_numbers():
    pool = replace(CHATTY.pools[0], tasks=np.uint32(7), compute_s=np.float32(0.5))
    run = replace(CHATTY.run, complete=np.bool_(1))  # type: ignore[arg-type]
    document = parsed(replace(CHATTY, run=run, pools=(pool,)))
    assert document["pools"][0]["tasks"] == 7
    assert document["pools"][0]["compute_s"] == 0.5
    assert document["run"]["complete"] is True
    VALIDATOR.validate(document)
