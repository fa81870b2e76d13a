"""The JSON Schema of a record, and whether a record is as it says."""

import json
from importlib import resources

import jsonschema

SCHEMA = json.loads(resources.files("lrfind.report").joinpath("record.schema.json").read_text("utf-8"))


def check_record(record):
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
