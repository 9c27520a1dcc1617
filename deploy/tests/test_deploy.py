"""Renders, validates, and spoils what was rendered, to see that each rule can fail."""

import copy
import json
import pathlib
import re
import subprocess
import unittest

import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from policies import ROOT, broken
from render import OVERLAYS, render

DEPLOY = ROOT / "deploy"
KEDA = ("ScaledObject", "TriggerAuthentication")  # checked by the types that `cloudcoil-models-keda` makes of KEDA's schemas
# No package brings the schemas of these operators: RabbitMQ Cluster Operator, CloudNativePG.
UNCHECKED = ("RabbitmqCluster", "Cluster")
KUBERNETES = "1.29"


def of_keda(document):
    """The document as KEDA's types read it: a key that they do not know is gone, a value of the wrong kind is an error."""
    read = getattr(keda, document["kind"]).model_validate(document)
    return read.model_dump(by_alias=True, exclude_unset=True, mode="json")


class Manifests(unittest.TestCase):
    def test_each_overlay_is_valid_and_keeps_the_rules(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                documents = render(overlay)
                self.assertGreater(len(documents), 20)
                for document in documents:
                    if document["kind"] in KEDA:
                        self.assertEqual(of_keda(document), document)
                    elif document["kind"] not in UNCHECKED:
                        kubernetes_validate.validate(document, KUBERNETES, strict=True)
                self.assertEqual(broken(documents), [])

    def test_what_makes_no_sense_is_refused_with_its_place(self):
        good = render("overlays/ha")
        pod = lambda ds: next(d for d in ds if d["kind"] == "Deployment")["spec"]["template"]["spec"]
        spoil = {
            "runs as root": lambda ds: pod(ds)["securityContext"].pop("runAsNonRoot"),
            "no seccomp profile": lambda ds: pod(ds)["securityContext"].pop("seccompProfile"),
            "carries a token": lambda ds: pod(ds).pop("automountServiceAccountToken"),
            "may escalate": lambda ds: pod(ds)["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
            "may write to its root": lambda ds: pod(ds)["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
            "keeps capabilities": lambda ds: pod(ds)["containers"][0]["securityContext"].pop("capabilities"),
            "no memory in resources.limits": lambda ds: pod(ds)["containers"][0]["resources"]["limits"].pop("memory"),
            "does not ask /readyz": lambda ds: pod(ds)["containers"][0].pop("readinessProbe"),
            "a port that is not served": lambda ds: pod(ds)["containers"][0].update(ports=[]),
            "no PodDisruptionBudget": lambda ds: ds.remove(next(d for d in ds if d["kind"] == "PodDisruptionBudget")),
            "nothing denies by default": lambda ds: ds.remove(next(d for d in ds if d["metadata"]["name"] == "default-deny")),
            "is written down": lambda ds: pod(ds)["containers"][0]["env"].append({"name": "AMQP_URL", "value": "amqp://u:p@h"}),
            "is no setting": lambda ds: pod(ds)["containers"][0]["env"].append({"name": "AFTERGLOW_INGEST__LISTNE", "value": "x"}),
            "'soon', not a whole number": lambda ds: next(d for d in ds if d["kind"] == "ConfigMap")["data"].update(AFTERGLOW_OPS__LINGER_MS="soon"),
            "not an address such as": lambda ds: next(d for d in ds if d["kind"] == "ConfigMap")["data"].update(AFTERGLOW_OPS__LISTEN="everywhere"),
            "not written down": lambda ds: ds.append({"kind": "Secret", "metadata": {"name": "s"}}),
            "there is no queue": lambda ds: next(d for d in ds if d["kind"] == "ScaledObject")["spec"]["triggers"][0]["metadata"].update(queueName="afterglow.nothing"),
        }
        for problem, change in spoil.items():
            with self.subTest(problem):
                documents = copy.deepcopy(good)
                change(documents)
                self.assertTrue(any(problem in found for found in broken(documents)), broken(documents))

    def test_the_schema_refuses_a_wrong_value(self):
        deployment = next(d for d in render("base") if d["kind"] == "Deployment")
        deployment["spec"]["replicas"] = "two"
        with self.assertRaisesRegex(kubernetes_validate.ValidationError, "two"):
            kubernetes_validate.validate(deployment, KUBERNETES, strict=True)

    def test_kedas_types_refuse_what_keda_does_not_know(self):
        scaled = next(d for d in render("overlays/ha") if d["kind"] == "ScaledObject")
        unknown, wrong = copy.deepcopy(scaled), copy.deepcopy(scaled)
        unknown["spec"]["maxReplicas"] = 8
        wrong["spec"]["maxReplicaCount"] = "many"
        self.assertNotEqual(of_keda(unknown), unknown)
        with self.assertRaisesRegex(ValueError, "maxReplicaCount"):
            of_keda(wrong)

    def test_compose_names_services_and_settings_that_are_there(self):
        compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
        from policies import settings
        known, commands = settings(), set()
        for name, service in compose["services"].items():
            if service["image"].startswith("afterglow"):
                commands.add(service["command"][0])
                self.assertLessEqual(set(service["environment"]), set(known), name)
                self.assertTrue(service["read_only"] and service["cap_drop"] == ["ALL"], name)
        self.assertEqual(commands, {"ingest", "scorer", "responder", "console", "crm", "migrate"})
        example = re.findall(r"^(AFTERGLOW_\w+)=", (DEPLOY / "compose/env.example").read_text(), re.M)
        self.assertLessEqual(set(example), set(known))


class Observability(unittest.TestCase):
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    source = "".join(
        path.read_text() for folder in ("ingest", "scorer", "responder", "crm", "shared", "src")
        for path in (ROOT / folder).rglob("*.rs")
    )

    def metrics(self, expression):
        found = re.findall(r"afterglow_\w+", expression)
        return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}

    def unknown(self, expression):
        return {name for name in self.metrics(expression) if f'"{name}"' not in self.source}

    def test_each_alert_has_a_runbook_a_test_and_metrics_that_are_there(self):
        for alert in self.alerts:
            with self.subTest(alert["alert"]):
                self.assertTrue((ROOT / alert["annotations"]["runbook"]).is_file())
                self.assertTrue((DEPLOY / f"prometheus/tests/{alert['alert']}.yaml").is_file())
                self.assertEqual(self.unknown(alert["expr"]), set())
        self.assertEqual(self.unknown("rate(afterglow_nothing_total[5m])"), {"afterglow_nothing_total"})
        books = {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} - {"README"}
        self.assertEqual(books, {alert["alert"] for alert in self.alerts})

    def test_each_panel_shows_metrics_that_are_there(self):
        for path in (DEPLOY / "grafana").glob("*.json"):
            for panel in json.loads(path.read_text())["panels"]:
                with self.subTest(panel["title"]):
                    self.assertTrue(panel["targets"])
                    for target in panel["targets"]:
                        self.assertTrue(self.metrics(target["expr"]))
                        self.assertEqual(self.unknown(target["expr"]), set())


class Sbom(unittest.TestCase):
    text = subprocess.run([DEPLOY / "sbom"], capture_output=True, check=True, text=True).stdout

    def test_it_is_valid_and_names_what_is_linked(self):
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(self.text))
        names = {component["name"] for component in json.loads(self.text)["components"]}
        self.assertLessEqual({"afterglow-ingest", "axum", "lapin", "ring", "sqlx-postgres", "tokio"}, names)
        self.assertEqual(names & {"afterglow-bench", "afterglow-rig", "insta", "proptest"}, set(), "what only tests need")

    def test_a_component_without_a_name_is_not_valid(self):
        spoilt = json.loads(self.text)
        spoilt["components"][0].pop("name")
        self.assertIsNotNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(spoilt)))


if __name__ == "__main__":
    unittest.main()
