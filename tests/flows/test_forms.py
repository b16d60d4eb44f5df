"""What Prefect's form says about each parameter: its meaning, its bounds, its choices, its default."""

import json

import pytest
from prefect.utilities.callables import parameter_schema

from flows.batch_predict import batch_predict
from flows.generate_datasets import generate_datasets
from flows.nightly import nightly
from flows.sweep import sweep
from flows.train_and_eval import train_and_eval

FLOWS = [train_and_eval, generate_datasets, batch_predict, nightly, sweep]
REQUIRED = ("inputs", "output", "train", "space")


def leaves(schema, node, path):
    """Every single setting, with the place in the form that leads to it."""
    if "$ref" in node:
        node = {**node, **schema["definitions"][node["$ref"].split("/")[-1]]}
    choices = [choice for choice in node.get("anyOf", node.get("oneOf", [])) if "$ref" in choice]
    if "properties" in node:
        for name, child in node["properties"].items():
            yield from leaves(schema, child, f"{path}.{name}")
    elif choices:
        for choice in choices:
            yield from leaves(schema, choice, path)
    else:
        yield path, node


def form(flow):
    schema = json.loads(parameter_schema(flow).model_dump_json())
    return [leaf for name, node in schema["properties"].items() for leaf in leaves(schema, node, name)]


def kinds(node):
    """The node itself, or each of the types that it may have."""
    return node.get("anyOf", [node])


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_each_parameter_says_what_it_is(flow):
    found = form(flow)
    assert len(found) > 20
    assert [path for path, node in found if "const" not in node and not node.get("description")] == []


COLUMNS = (
    "source",
    "target",
    "weight",
    "time",
    "series",
    "known",
    "static",
    "static_categories",
)  # names, or positions from 0
UNBOUNDED = ("padding_value",)  # which may be any number


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_each_number_says_its_bounds(flow):
    numbers = [
        (path, kind)
        for path, node in form(flow)
        for kind in kinds(node)
        if kind.get("type") in ("integer", "number") and path.rsplit(".", 1)[-1] not in (*COLUMNS, *UNBOUNDED)
    ]
    assert len(numbers) > 5
    assert [path for path, kind in numbers if not {"minimum", "exclusiveMinimum"} & {*kind}] == []


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_paths_are_text_and_what_is_not_required_has_a_default(flow):
    found = dict(form(flow))
    for path, node in found.items():
        assert node.get("format") != "path" or node["type"] == "string"
        assert "default" in node or path.rsplit(".", 1)[-1] in REQUIRED, path


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_choice_of_sections_is_one_that_the_form_draws(flow):
    schema = parameter_schema(flow).model_dump_json()
    assert "oneOf" not in schema  # the form shows an empty box for it
    if flow is not batch_predict:
        assert schema.count("FilesData") > 1


def test_choices_are_offered_as_such():
    found = dict(form(train_and_eval)) | dict(form(batch_predict))
    for path, choice in {
        "experiment.data.problem": "sort",
        "experiment.data.target_encoding": "words",
        "experiment.training.optimizer": "adam",
        "experiment.decoding.method": "beam",
        "settings.format": "csv",
    }.items():
        assert choice in found[path]["enum"]
