"""The Kubernetes manifests, against the published schemas and against each other."""

import kubernetes_validate
import pytest

from app import create_app
from app.config import Settings
from tests.conftest import ENCRYPTION_KEY
from tests.deploy import files

# the oldest that knows every field used here (docs/deployment.rst names it), and the newest whose schema there is
VERSIONS = ["1.30", kubernetes_validate.latest_version()]
FOLDER = files.DEPLOY / "kubernetes"
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
OBJECTS = [document for name in MANIFESTS for document in files.documents(f"kubernetes/{name}")]
WORKLOADS = [each for each in OBJECTS if each["kind"] in ("Deployment", "Job")]


def find(kind, name):
    [found] = [each for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def name_of(document):
    return f"{document['kind']}-{document['metadata']['name']}"


def pod(workload):
    return workload["spec"]["template"]["spec"]


def container(workload):
    [only] = pod(workload)["containers"]
    return only


def settings():
    """The settings that every container is given."""
    secret = find("Secret", "mintaka")["stringData"] | {"MINTAKA_ENCRYPTION_KEYS": ENCRYPTION_KEY}
    return files.settings_from(find("ConfigMap", "mintaka")["data"] | secret)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", OBJECTS, ids=name_of)
def test_a_manifest_is_as_its_schema_has_it(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_the_schemas_find_a_mistake_where_there_is_one():
    wrong = find("Service", "mintaka")
    wrong = wrong | {"spec": wrong["spec"] | {"portz": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_every_manifest_is_applied_but_the_example_of_a_secret():
    [kustomization] = files.documents("kubernetes/kustomization.yaml")
    assert kustomization["resources"] == [name for name in MANIFESTS if name != "secret.example.yaml"]
    assert {container(workload)["image"] for workload in WORKLOADS} == {image["name"] for image in kustomization["images"]}


@pytest.mark.parametrize("workload", WORKLOADS, ids=name_of)
def test_every_container_is_given_the_settings_and_they_are_accepted(workload):
    assert container(workload)["envFrom"] == [{"configMapRef": {"name": "mintaka"}}, {"secretRef": {"name": "mintaka"}}]
    assert settings().database_url
    # a Service called mintaka would otherwise inject MINTAKA_PORT
    assert pod(workload)["enableServiceLinks"] is False


@pytest.mark.parametrize("workload", WORKLOADS, ids=name_of)
def test_every_pod_meets_the_restricted_standard_with_a_read_only_root(workload):
    context, confined = pod(workload)["securityContext"], container(workload)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert confined == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert pod(workload)["automountServiceAccountToken"] is False
    assert {next(iter(volume.keys() - {"name"})) for volume in pod(workload)["volumes"]} == {"emptyDir"}
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in files.text("Containerfile")


@pytest.mark.parametrize("name", ["web", "scheduler"])
def test_selectors_select_their_own_pods_and_no_others(name):
    deployment, budget = find("Deployment", f"mintaka-{name}"), find("PodDisruptionBudget", f"mintaka-{name}")
    selector = deployment["spec"]["selector"]["matchLabels"]
    selectors = [selector, budget["spec"]["selector"]["matchLabels"]]
    if name == "web":
        selectors += [
            find("Service", "mintaka")["spec"]["selector"],
            find("NetworkPolicy", "mintaka-web")["spec"]["podSelector"]["matchLabels"],
        ]
    selected = [
        name_of(workload)
        for each in selectors
        for workload in WORKLOADS
        if each.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert selected == [name_of(deployment)] * len(selectors)
    # a drain has to be able to move one at a time
    assert deployment["spec"]["replicas"] > budget["spec"]["maxUnavailable"] == 1


def test_the_port_is_the_one_that_is_bound(tmp_path):
    [port] = container(find("Deployment", "mintaka-web"))["ports"]
    assert settings().bind == f"0.0.0.0:{port['containerPort']}"
    [service_port] = find("Service", "mintaka")["spec"]["ports"]
    [rule] = find("NetworkPolicy", "mintaka-web")["spec"]["ingress"]
    assert service_port["targetPort"] == rule["ports"][0]["port"] == port["name"]


def test_probes_ask_routes_that_exist_and_only_readiness_depends_on_the_database(tmp_path):
    web = container(find("Deployment", "mintaka-web"))
    paths = {name: web[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/api/health", "livenessProbe": "/api/health", "readinessProbe": "/api/ready"}
    assert {web[name]["httpGet"]["port"] for name in paths} == {"http"}
    client = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'none.db'}")).test_client()
    assert (client.get("/api/health").status_code, client.get("/api/ready").status_code) == (200, 503)


def test_a_pod_is_given_the_time_to_stop_that_it_takes():
    web = find("Deployment", "mintaka-web")
    pause = container(web)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(web)["terminationGracePeriodSeconds"] > pause + settings().graceful_timeout


def test_nobody_reaches_a_pod_unless_a_policy_lets_him():
    everything = find("NetworkPolicy", "mintaka")["spec"]
    assert "ingress" not in everything
    assert all(
        everything["podSelector"]["matchLabels"].items() <= each["spec"]["template"]["metadata"]["labels"].items() for each in WORKLOADS
    )
