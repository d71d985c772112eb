#!/usr/bin/env python3
"""Holds JSON reports against the schema: check_schema.py SCHEMA REPORT...

The schema itself must notice what the program forgets: with any object of a report (one of each
place) given a member more, and with any but an optional member taken away, the report must fail.
Exit status: 0 all as it should be, 1 not (a line each), 77 python3-jsonschema is not installed.
"""
import copy
import json
import sys

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)

OPTIONAL = {"set_in"}


def objects(value, path=()):
    """Every object with its path, of arrays only the first element."""
    if isinstance(value, dict):
        yield path, value
        for name, member in value.items():
            yield from objects(member, path + (name,))
    elif isinstance(value, list) and value:
        yield from objects(value[0], path + (0,))


def changed(report, path, change):
    report = copy.deepcopy(report)
    at = report
    for step in path:
        at = at[step]
    change(at)
    return report


def shorten(value):
    """Long arrays say no more than their beginning, and the changes are many."""
    if isinstance(value, dict):
        return {name: shorten(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value[:3]]
    return value


def mutations(report):
    for path, value in objects(report):
        where = "/".join(map(str, path)) or "the root"
        yield where + " with one more", changed(report, path, lambda at: at.update(forgotten=1))
        for name in value:
            if name not in OPTIONAL:
                yield where + " without " + name, changed(report, path, lambda at: at.pop(name))


def main():
    with open(sys.argv[1]) as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    complaints = 0
    for path in sys.argv[2:]:
        with open(path) as file:
            report = json.load(file)
        for error in validator.iter_errors(report):
            deepest = jsonschema.exceptions.best_match([error])
            print(f"{path}: {'/'.join(map(str, deepest.absolute_path))}: {deepest.message[:300]}")
            complaints += 1
        for what, bad in mutations(shorten(report)):
            if validator.is_valid(bad):
                print(f"{path}: {what}: the schema does not mind")
                complaints += 1
    return complaints > 0


sys.exit(main())
