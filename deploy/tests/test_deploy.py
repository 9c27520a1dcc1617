"""Renders, validates, and spoils what was rendered, to see that each rule can fail."""

import copy
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from operators import KUBERNETES, operated, wrong
from policies import ROOT, broken, settings
from render import COMPONENTS, OVERLAYS, render

DEPLOY = ROOT / "deploy"


class Manifests(unittest.TestCase):
    def test_each_overlay_is_valid_and_keeps_the_rules(self):
        for overlay, components in [(overlay, some) for overlay in OVERLAYS for some in ((), COMPONENTS)]:
            with self.subTest(overlay, components=components):
                documents = render(overlay, components)
                self.assertGreater(len(documents), 20)
                for document in documents:
                    if operated(document):
                        self.assertEqual(wrong(document), [])
                    else:
                        kubernetes_validate.validate(document, KUBERNETES, strict=True)
                self.assertEqual(broken(documents), [])

    def test_what_makes_no_sense_is_refused_with_its_place(self):
        good = render("overlays/ha", COMPONENTS)
        named = lambda ds, kind, name: next(d for d in ds if d["kind"] == kind and d["metadata"]["name"] == name)
        env = lambda ds, name: named(ds, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]["env"]
        without = lambda ds, kind, name: ds.remove(named(ds, kind, name))
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
            "is 'yes', not true or false": lambda ds: next(v for v in env(ds, "crm") if v["name"] == "AFTERGLOW_FEED__BROKER").update(value="yes"),
            "Deployment crm: AMQP_URL is given, and": lambda ds: without(ds, "NetworkPolicy", "crm-broker"),
            "Deployment crm: AFTERGLOW_FEED__BROKER is on, and": lambda ds: env(ds, "crm").remove(next(v for v in env(ds, "crm") if v["name"] == "AMQP_URL")),
            "Deployment console: AFTERGLOW_CONSOLE__OIDC__ISSUER is given, and": lambda ds: without(ds, "NetworkPolicy", "console-sign-in"),
            "Job migrate: DATABASE_URL is given, and": lambda ds: without(ds, "NetworkPolicy", "migrate"),
            "RabbitmqCluster bus: no NetworkPolicy lets anybody in": lambda ds: without(ds, "NetworkPolicy", "bus"),
            "Cluster store: no NetworkPolicy lets its members out": lambda ds: named(ds, "NetworkPolicy", "store")["spec"].pop("egress"),
            "RabbitmqCluster bus: its pods are refused": lambda ds: named(ds, "RabbitmqCluster", "bus")["spec"].pop("override"),
            "gives no number": lambda ds: next(t for t in named(ds, "ScaledObject", "scorer")["spec"]["triggers"] if t["type"] == "prometheus")["metadata"].update(query="up"),
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

    def test_components_change_only_whom_they_name(self):
        plain = {(d["kind"], d["metadata"]["name"]): d for d in render("overlays/ha")}
        more = {(d["kind"], d["metadata"]["name"]): d for d in render("overlays/ha", COMPONENTS)}
        changed = {key for key in more if plain.get(key) != more[key]}
        self.assertEqual(
            changed,
            {("Deployment", "crm"), ("Deployment", "console"), ("NetworkPolicy", "crm-broker"), ("NetworkPolicy", "console-sign-in")},
        )
        given = {variable["name"] for variable in plain["Deployment", "crm"]["spec"]["template"]["spec"]["containers"][0]["env"]}
        self.assertNotIn("AMQP_URL", given, "who does not publish has no key to the broker")

    def test_compose_names_services_and_settings_that_are_there(self):
        compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
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


class Scaling(unittest.TestCase):
    def answers(self, series: dict[str, str]) -> dict[str, float]:
        """What the query of each ScaledObject answers after ten minutes of these series."""
        objects = [document for document in render("overlays/ha") if document["kind"] == "ScaledObject"]
        triggers = [(o["metadata"]["name"], t) for o in objects for t in o["spec"]["triggers"] if t["type"] == "prometheus"]
        found = {}
        for name, trigger in triggers:
            case = {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                # It never answers this, and promtool says what it answers instead.
                "promql_expr_test": [
                    {"expr": trigger["metadata"]["query"], "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": -1}]}
                ],
            }
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                yaml.safe_dump({"evaluation_interval": "1m", "tests": [case]}, file)
                file.flush()
                done = subprocess.run(["promtool", "test", "rules", file.name], capture_output=True, text=True, check=False)
            got = re.search(r"got: \{\} (\S+)", done.stdout + done.stderr)
            found[name] = float(got[1])
        return found

    def test_queries_answer_with_a_number_whatever_happened(self):
        lag, overdue = "afterglow_scorer_lag_seconds_bucket", "afterglow_intents_overdue_seconds"
        nothing = {f'{lag}{{le="10"}}': "5x10", f'{lag}{{le="+Inf"}}': "5x10"}
        self.assertEqual(self.answers({}), {"scorer": 0, "responder": 0})
        self.assertEqual(self.answers(nothing), {"scorer": 0, "responder": 0})
        late = {f'{lag}{{le="5"}}': "0x10", f'{lag}{{le="10"}}': "0+60x10", f'{lag}{{le="+Inf"}}': "0+60x10", overdue: "90x10"}
        self.assertEqual(self.answers(late), {"scorer": 9.75, "responder": 90})


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
