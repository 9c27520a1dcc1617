"""Checks resources of operators by their schemas (tests/schemas/README.md tells of them). Each check yields what is wrong."""

import json
import pathlib

import kubernetes_validate
from cloudcoil.models.keda import v1alpha1 as keda
from jsonschema import Draft202012Validator

SCHEMAS = pathlib.Path(__file__).resolve().parent / "schemas"
CLOUDNATIVE_PG = json.loads((SCHEMAS / "cloudnative-pg.json").read_text())
RABBITMQ = json.loads((SCHEMAS / "rabbitmq-cluster.json").read_text())
KUBERNETES = "1.29"


def by_schema(document, schema):
    for error in Draft202012Validator(schema).iter_errors(document.get("spec")):
        yield f"spec{''.join(f'.{step}' for step in error.absolute_path)}: {error.message}"


def of_keda(document):
    """The document as KEDA's types read it: a key that they do not know is gone, a value of the wrong kind is an error."""
    try:
        read = getattr(keda, document["kind"]).model_validate(document)
    except ValueError as error:
        yield str(error)
        return
    if read.model_dump(by_alias=True, exclude_unset=True, mode="json") != document:
        yield "it has a field that KEDA does not know"


def of_cloudnative_pg(document):
    return by_schema(document, {**CLOUDNATIVE_PG, "$ref": f"#/$defs/{document['kind']}Spec"})


def of_rabbitmq(document):
    yield from by_schema(document, RABBITMQ)
    # What it hands on to its pods is Kubernetes' own.
    spec = document["spec"]
    own = {key: spec[key] for key in ("affinity", "tolerations") if key in spec}
    over = spec.get("override", {}).get("statefulSet", {}).get("spec", {}).get("template", {}).get("spec", {})
    containers = over.get("containers", []) + [{"name": "resources", "resources": spec.get("resources", {})}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": {**over, **own, "containers": containers}}
    try:
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"in its pod: {error.message}"


CHECKS = {
    "keda.sh": of_keda,
    "postgresql.cnpg.io": of_cloudnative_pg,
    "rabbitmq.com": of_rabbitmq,
}


def operated(document) -> bool:
    return document["apiVersion"].partition("/")[0] in CHECKS


def wrong(document) -> list[str]:
    return list(CHECKS[document["apiVersion"].partition("/")[0]](document))
