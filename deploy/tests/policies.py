"""What every rendered manifest has to keep to. Each rule yields what breaks it, with its place."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def workloads(documents):
    return [d for d in documents if d["kind"] in ("Deployment", "Job")]


def containers(documents):
    for workload in workloads(documents):
        pod = workload["spec"]["template"]["spec"]
        for container in pod["containers"] + pod.get("initContainers", []):
            yield f"{workload['kind']} {workload['metadata']['name']}", pod, container


def settings() -> dict[str, str]:
    """The environment variables that the program knows, with the types of their values, from its own list of settings."""
    text = "".join(file.read_text() for file in sorted((ROOT / "shared/runtime/src/settings").glob("*.rs")))
    structs = {
        name: dict(re.findall(r"^\s+pub (\w+): (.+),$", body, re.M))
        for name, body in re.findall(r"pub struct (\w+) \{(.*?)\n\}", text, re.S)
    }
    known = {"DATABASE_URL": "Address", "AMQP_URL": "Address"}

    def below(name, struct):
        for field, kind in structs[struct].items():
            inner = kind.removeprefix("Option<").removesuffix(">")
            if inner in structs:
                below(f"{name}__{field.upper()}", inner)
            else:
                known[f"{name}__{field.upper()}"] = kind

    for section in structs["Settings"]:
        if section.capitalize() in structs:
            below(f"AFTERGLOW_{section.upper()}", section.capitalize())
    return known


# What a value of a type looks like, and what is said of one that does not.
SHAPES = {
    "u16": (r"\d{1,5}", "a whole number up to 65535"),
    "u32": (r"\d{1,9}", "a whole number"),
    "u64": (r"\d{1,15}", "a whole number"),
    "usize": (r"\d{1,15}", "a whole number"),
    "SocketAddr": (r"[\d.]+:\d{1,5}|\[[\da-f:]+\]:\d{1,5}", "an address such as 0.0.0.0:8090"),
    "LogFormat": (r"json|pretty", "json or pretty"),
    "bool": (r"true|false", "true or false"),
}


def restricted(documents):
    for place, pod, container in containers(documents):
        if not pod.get("securityContext", {}).get("runAsNonRoot"):
            yield f"{place}: runs as root"
        if pod.get("securityContext", {}).get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{place}: no seccomp profile"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{place}: carries a token of the Kubernetes API"
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{place}: may escalate privileges"
        if not context.get("readOnlyRootFilesystem"):
            yield f"{place}: may write to its root"
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{place}: keeps capabilities"
    for document in documents:
        if document["kind"] == "Namespace":
            if document["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
                yield "Namespace: restricted pod security is not enforced"


def bounded(documents):
    for place, _, container in containers(documents):
        for kind in ("requests", "limits"):
            for what in ("cpu", "memory"):
                if what not in container.get("resources", {}).get(kind, {}):
                    yield f"{place}: no {what} in resources.{kind}"


def probed(documents):
    for workload in (d for d in documents if d["kind"] == "Deployment"):
        name = workload["metadata"]["name"]
        for container in workload["spec"]["template"]["spec"]["containers"]:
            named = {port["name"] for port in container.get("ports", [])}
            for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
                get = container.get(probe, {}).get("httpGet", {})
                if get.get("path") != path:
                    yield f"Deployment {name}: {probe} does not ask {path}"
                if get.get("port") not in named:
                    yield f"Deployment {name}: {probe} asks a port that is not served"


def guarded(documents):
    labelled = lambda kind: [
        (d["metadata"]["name"], (d["spec"].get("selector") or d["spec"].get("podSelector", {})).get("matchLabels", {}))
        for d in documents if d["kind"] == kind
    ]
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        chosen = [labels.get("app.kubernetes.io/name") for _, labels in labelled(kind)]
        for workload in workloads(documents):
            if kind == "PodDisruptionBudget" and workload["kind"] == "Job":
                continue
            name = workload["metadata"]["name"]
            if name not in chosen:
                yield f"{workload['kind']} {name}: no {kind}"
    if "default-deny" not in [name for name, _ in labelled("NetworkPolicy")]:
        yield "NetworkPolicy: nothing denies by default"


def ports(documents, labels: dict, direction: str) -> set[int]:
    """Which ports the policies open to pods with these labels: `egress`, or `ingress` to them."""
    chosen = [
        policy["spec"] for policy in documents
        if policy["kind"] == "NetworkPolicy"
        and policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items()
    ]
    return {port["port"] for spec in chosen for rule in spec.get(direction, []) for port in rule.get("ports", [])}


def reaching(documents):
    """What a container is told to talk to, its pod may talk to."""
    everybody = {n: v for d in documents if d["kind"] == "ConfigMap" for n, v in d["data"].items()}
    for workload in workloads(documents):
        template = workload["spec"]["template"]
        open_ports = ports(documents, template["metadata"]["labels"], "egress")
        for container in template["spec"]["containers"]:
            place = f"{workload['kind']} {workload['metadata']['name']}"
            told = everybody | {variable["name"]: variable.get("value") for variable in container.get("env", [])}
            told_by_name = {"DATABASE_URL": {5432}, "AMQP_URL": {5671, 5672}}
            if workload["metadata"]["name"] == "console":
                told_by_name["AFTERGLOW_CONSOLE__OIDC__ISSUER"] = {443}
            for name, wanted in told_by_name.items():
                if name in told and not wanted <= open_ports:
                    yield f"{place}: {name} is given, and its NetworkPolicy does not let it out to {sorted(wanted)}"
            publishes = workload["metadata"]["name"] == "crm" and told.get("AFTERGLOW_FEED__BROKER") == "true"
            if publishes and "AMQP_URL" not in told:
                yield f"{place}: AFTERGLOW_FEED__BROKER is on, and AMQP_URL is not given"


# How the operators label the pods that they make, and where these are asked for.
OPERATED = {
    "RabbitmqCluster": ("app.kubernetes.io/name", {5671, 5672}),
    "Cluster": ("cnpg.io/cluster", {5432, 8000}),
}


def admitting(documents):
    """What operators make in a namespace that denies by default and is restricted has to be let in."""
    for document in documents:
        if document["kind"] in OPERATED:
            label, wanted = OPERATED[document["kind"]]
            name = document["metadata"]["name"]
            place = f"{document['kind']} {name}"
            if not wanted <= ports(documents, {label: name}, "ingress"):
                yield f"{place}: no NetworkPolicy lets anybody in to {sorted(wanted)}"
            if not ports(documents, {label: name}, "egress") >= {443, 6443}:
                yield f"{place}: no NetworkPolicy lets its members out to Kubernetes' API"
        # CloudNativePG's pods keep the restricted profile; RabbitMQ's operator has to be told.
        if document["kind"] == "RabbitmqCluster":
            pod = document["spec"].get("override", {}).get("statefulSet", {}).get("spec", {}).get("template", {}).get("spec", {})
            context = pod.get("securityContext", {})
            if not context.get("runAsNonRoot") or context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
                yield f"{place}: its pods are refused by the restricted profile"
            for kind, container in (("initContainers", "setup-container"), ("containers", "rabbitmq")):
                found = next((c for c in pod.get(kind, []) if c["name"] == container), {}).get("securityContext", {})
                if found.get("allowPrivilegeEscalation") is not False or found.get("capabilities", {}).get("drop") != ["ALL"]:
                    yield f"{place}: its container {container} is refused by the restricted profile"


def secret_free(documents):
    secret = re.compile(r"(_SECRETS?|_RING|_TOKEN|_FORGETTING|_URL|PASSWORD)$")
    for document in documents:
        if document["kind"] == "Secret":
            yield f"Secret {document['metadata']['name']}: secrets are referred to, not written down"
        if document["kind"] == "ConfigMap":
            for name in document["data"]:
                if secret.search(name) and not name.endswith("PUBLIC_URL"):
                    yield f"ConfigMap {document['metadata']['name']}: {name} is a secret"
    for place, _, container in containers(documents):
        for variable in container.get("env", []):
            if "value" in variable and secret.search(variable["name"]):
                yield f"{place}: {variable['name']} is written down"


def known_settings(documents):
    known = settings()
    names = [(f"ConfigMap {d['metadata']['name']}", n) for d in documents if d["kind"] == "ConfigMap" for n in d["data"]]
    names += [(place, v["name"]) for place, _, c in containers(documents) for v in c.get("env", [])]
    for place, name in names:
        if name not in known:
            yield f"{place}: {name} is no setting of this program"


def sensible_values(documents):
    kinds = settings()
    given = [(f"ConfigMap {d['metadata']['name']}", d["data"].items()) for d in documents if d["kind"] == "ConfigMap"]
    given += [
        (place, [(v["name"], v["value"]) for v in c.get("env", []) if "value" in v]) for place, _, c in containers(documents)
    ]
    for place, pairs in given:
        for name, value in pairs:
            shape, meant = SHAPES.get(kinds.get(name), (r".*", ""))
            if not re.fullmatch(shape, str(value), re.S):
                yield f"{place}: {name} is {value!r}, not {meant}"


def known_queues(documents):
    lanes = re.findall(r'Lane::\w+ => "(\w+)"', (ROOT / "shared/bus/src").joinpath("lane.rs").read_text())
    for document in documents:
        if document["kind"] == "ScaledObject":
            targets = [d["metadata"]["name"] for d in documents if d["kind"] == "Deployment"]
            if document["spec"]["scaleTargetRef"]["name"] not in targets:
                yield f"ScaledObject {document['metadata']['name']}: scales nothing that is there"
            for trigger in document["spec"]["triggers"]:
                queue = trigger["metadata"].get("queueName")
                if queue and queue not in [f"afterglow.{lane}" for lane in lanes]:
                    yield f"ScaledObject {document['metadata']['name']}: there is no queue {queue}"


def numbered(documents):
    """Prometheus answers "not a number" where nothing happened, which KEDA (before 2026) takes for a number far below zero."""
    for document in documents:
        for trigger in document["spec"]["triggers"] if document["kind"] == "ScaledObject" else []:
            query = trigger["metadata"].get("query")
            if query and not query.rstrip().endswith("or vector(0)"):
                yield f"ScaledObject {document['metadata']['name']}: a query gives no number where nothing happened"


RULES = (restricted, bounded, probed, guarded, reaching, admitting, numbered, secret_free, known_settings, sensible_values, known_queues)


def broken(documents) -> list[str]:
    return [problem for rule in RULES for problem in rule(documents)]
