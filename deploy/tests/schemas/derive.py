#!/usr/bin/env python3
"""Makes `cloudnative-pg.json` anew, a JSON schema of what CloudNativePG's resources may say:

    deploy/tests/schemas/derive.py FOLDER_OF_THE_CRATE >deploy/tests/schemas/cloudnative-pg.json

The crate `kcr_postgresql_cnpg_io` (0BSD) holds Rust types that kopium made of the operator's resource definitions. They are so
regular that no compiler is needed to read them. Unlike the definitions, the schema refuses fields that it does not know: the
API server would drop a misspelt one without a word.
"""

import json
import pathlib
import re
import sys

PLAIN = {
    "String": {"type": "string"},
    "bool": {"type": "boolean"},
    "i32": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "i64": {"type": "integer"},
    "IntOrString": {"type": ["integer", "string"]},
}
KINDS = {"Cluster": "clusters", "Backup": "backups", "ScheduledBackup": "scheduledbackups"}


def schema(kind: str) -> dict:
    """Of the Rust type `kind`."""
    if inner := re.fullmatch(r"(?:Option|Vec|BTreeMap)<(?:String, )?(.+)>", kind):
        of = schema(inner[1])
        if kind.startswith("Option"):
            return of
        return {"type": "array", "items": of} if kind.startswith("Vec") else {"type": "object", "additionalProperties": of}
    return PLAIN.get(kind) or {"$ref": f"#/$defs/{kind}"}


def definitions(source: str) -> dict:
    """Each struct and enum of a file."""
    found = {}
    source = re.sub(r"^\s*///.*\n", "", source, flags=re.M)
    for what, name, body in re.findall(r"^pub (struct|enum) (\w+) \{\n(.*?)^\}", source, re.M | re.S):
        if what == "enum":
            values = re.findall(r'(?:rename = "([^"]*)"\)\]\s+)?^\s+(\w+),$', body, re.M)
            found[name] = {"enum": [renamed or variant for renamed, variant in values]}
            continue
        fields = re.findall(r'(?:#\[serde\(([^\n]*)\)\]\n)?\s+pub (?:r#)?(\w+): (.+),$', body, re.M)
        named = [((re.search(r'rename = "([^"]*)"', attribute) or [0, field])[1], kind) for attribute, field, kind in fields]
        found[name] = {
            "type": "object",
            "properties": {field: schema(kind) for field, kind in named},
            "required": [field for field, kind in named if not kind.startswith("Option")],
            "additionalProperties": False,
        }
    return found


def main(crate: pathlib.Path):
    known = {}
    for file in KINDS.values():
        known |= definitions((crate / f"src/v1/{file}.rs").read_text())
    used, waiting = {}, [f"{kind}Spec" for kind in KINDS]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = known[name]
            waiting += re.findall(r'"#/\$defs/(\w+)"', json.dumps(known[name]))
    lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(used[name], separators=(',', ':'))}" for name in sorted(used))
    print(f'{{"$comment":"{crate.resolve().name}","$defs":{{\n{lines}\n}}}}')


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
