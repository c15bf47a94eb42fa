"""The manifests of deploy/kubernetes hold what the programs need, and agree with them and with each other."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
import typer
import yaml

import desk as command
from infra.settings import Settings
from tests.faults.test_rolling import END_SECONDS
from web import health, serving
from web.event_streams import KEEP_ALIVE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
BASE = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
INSIDE = {"/health/live", "/health/ready", "/metrics"}
POSTGRES_CONNECTIONS = 97  # as it comes, without what is reserved


def everything():
    found = defaultdict(dict)
    for name in BASE["resources"]:
        for each in yaml.safe_load_all((FOLDER / name).read_text()):
            found[each["kind"]][each["metadata"]["name"]] = each
    return found


ALL = everything()
RUNS = {name: each["spec"]["template"] for kind in ("Deployment", "Job") for name, each in ALL[kind].items()}
DEPLOYED = {name: each for name, each in RUNS.items() if name in ALL["Deployment"]}
CONFIG = ALL["ConfigMap"]["deskwire"]["data"]
each_pod = pytest.mark.parametrize("template", RUNS.values(), ids=RUNS)
each_deployment = pytest.mark.parametrize("name", DEPLOYED)


def seconds_before_stop(container):
    return container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)


def test_every_file_is_listed_and_every_command_of_the_image_is_run():
    assert set(BASE["resources"]) == {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    known = set(typer.main.get_command(command.app).commands)
    run = [template["spec"]["containers"][0]["command"] for template in RUNS.values()]
    assert {words[-1] for words in run} == {"serve", "work", "migrate"} <= known
    assert all(words[:-1] == ["python", "desk.py"] for words in run)


@each_pod
def test_nobody_may_do_more_than_needed(template):
    spec, (container,) = template["spec"], template["spec"]["containers"]
    (user,) = re.findall(r"useradd .*--uid (\d+)", (ROOT / "Dockerfile").read_text())

    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == int(user)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec["automountServiceAccountToken"]
    assert not spec["enableServiceLinks"]  # which would set DESKWIRE_API_PORT and the like
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


@each_pod
def test_settings_come_by_reference_and_are_those_that_are_read(template):
    (container,) = template["spec"]["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "deskwire"}},
        {"secretRef": {"name": "deskwire-secrets"}},
    ]
    assert "Secret" not in ALL
    assert {name.lower() for name in set(CONFIG)} <= set(Settings.model_fields)
    secrets = {"SECRET_KEY": "k" * 32, "DATABASE_URL": "postgresql://db/desk", "REDIS_URL": "redis://cache"}
    settings = Settings(
        **{name.lower(): value for name, value in (CONFIG | secrets | {"SMTP_URL": "smtp://m"}).items()}
    )
    assert not settings.storage_url.startswith("file:")  # which no two pods share


@each_pod
def test_what_a_pod_takes_is_said(template):
    (container,) = template["spec"]["containers"]
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert set(container["resources"]["limits"]) == {"memory"}  # a limit of the processor makes waiting, not saving
    assert container["image"] == BASE["images"][0]["name"]


@each_deployment
def test_what_is_replaced_or_moved_leaves_enough_behind(name):
    deployment, template = ALL["Deployment"][name]["spec"], DEPLOYED[name]
    (container,) = template["spec"]["containers"]
    labels = template["metadata"]["labels"]

    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    assert template["spec"]["terminationGracePeriodSeconds"] > seconds_before_stop(container) + END_SECONDS
    budget = ALL["PodDisruptionBudget"][name]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": deployment["selector"]}
    least = ALL["HorizontalPodAutoscaler"].get(name, {}).get("spec", {}).get("minReplicas") or deployment["replicas"]
    assert least >= 2


def test_the_probes_and_the_service_find_the_api(application):
    (container,) = DEPLOYED["deskwire-api"]["spec"]["containers"]
    paths = {route.path for route in application.routes}
    probes = {name: container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert {probe["httpGet"]["path"] for probe in probes.values()} <= paths
    assert probes["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert probes["readinessProbe"]["timeoutSeconds"] > health.ANSWER_SECONDS
    (port,) = container["ports"]
    assert f"PORT={port['containerPort']}" in (ROOT / "Dockerfile").read_text()
    assert all(probe["httpGet"]["port"] == port["name"] for probe in probes.values())
    service = ALL["Service"]["deskwire-api"]["spec"]
    assert service["selector"] == ALL["Deployment"]["deskwire-api"]["spec"]["selector"]["matchLabels"]
    assert service["ports"][0]["targetPort"] == port["name"]
    assert DEPLOYED["deskwire-api"]["metadata"]["annotations"]["prometheus.io/path"] in paths


def test_everybody_reaches_all_that_is_for_them_and_nothing_else(application):
    ingress = ALL["Ingress"]["deskwire"]
    (rule,) = ingress["spec"]["rules"]
    prefixes = [each["path"] for each in rule["http"]["paths"]]
    paths = {route.path for route in application.routes} | {"/graphql"}

    reached = {path for path in paths if any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)}
    assert paths - reached == INSIDE | {path for path in paths if path.startswith("/mail")}  # the embedded desk's
    assert all(any(path == prefix or path.startswith(f"{prefix}/") for path in paths) for prefix in prefixes)
    assert CONFIG["PUBLIC_URL"] == f"https://{rule['host']}"
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    said = {name.rpartition("/")[2]: value for name, value in ingress["metadata"]["annotations"].items()}
    assert int(said["proxy-read-timeout"]) > 3 * max(serving.PING_SECONDS, KEEP_ALIVE_SECONDS)
    assert said["proxy-buffering"] == "off"
    most = int(said["proxy-body-size"].removesuffix("m")) * 1024**2
    assert most > Settings.model_fields["max_attachment_bytes"].default


def test_a_gateway_leads_where_the_ingress_does():
    (text,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/kubernetes.md").read_text(), re.MULTILINE | re.DOTALL)
    route = yaml.safe_load(text)
    (by_ingress,) = ALL["Ingress"]["deskwire"]["spec"]["rules"]
    (rule,) = route["spec"]["rules"]
    kinds = {"Exact": "Exact", "Prefix": "PathPrefix"}

    assert [(each["path"]["type"], each["path"]["value"]) for each in rule["matches"]] == [
        (kinds[each["pathType"]], each["path"]) for each in by_ingress["http"]["paths"]
    ]
    assert route["spec"]["hostnames"] == [by_ingress["host"]]
    service = ALL["Service"]["deskwire-api"]
    (port,) = service["spec"]["ports"]
    assert rule["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]
    assert set(rule["timeouts"].values()) == {"0s"}


def test_all_pods_together_find_room_at_postgresql():
    most = ALL["HorizontalPodAutoscaler"]["deskwire-api"]["spec"]["maxReplicas"] + 1
    workers = ALL["Deployment"]["deskwire-worker"]["spec"]["replicas"] + 1
    each = int(CONFIG["READ_POOL_SIZE"]) + int(CONFIG["WRITE_POOL_SIZE"])

    assert (most + workers) * each <= POSTGRES_CONNECTIONS
    assert ALL["HorizontalPodAutoscaler"]["deskwire-api"]["spec"]["scaleTargetRef"]["name"] in DEPLOYED
    assert "replicas" not in ALL["Deployment"]["deskwire-api"]["spec"]  # or each apply would undo the autoscaler's work


def test_a_container_of_compose_has_the_time_that_a_pod_has():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = compose["services"]

    assert int(compose["x-deskwire"]["stop_grace_period"].removesuffix("s")) > END_SECONDS
    for name, ends in (("migrate", "migrate"), ("worker", "work")):
        assert services[name]["command"] == ["python", "desk.py", ends]
    assert '"serve"]' in (ROOT / "Dockerfile").read_text().splitlines()[-1]
