"""What is in `deploy/` fits the service: schemas, security, names of settings and metrics, commands, times."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker

from service.settings import PREFIX, Settings
from service.web import metrics
from tests.conftest import ROOT
from tools.prove_dockerfile import parse, sent

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "wenyin"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES = "1.33"
# The longest that a stop takes beyond the deadline of a request, see docs/operations.md.
AFTER_DEADLINE_S = 15


def one(path: Path) -> dict[str, Any]:
    (document,) = yaml.safe_load_all(path.read_text("utf-8"))
    assert isinstance(document, dict)
    return document


def manifest(name: str) -> dict[str, Any]:
    return one(DEPLOY / "kubernetes" / f"{name}.yaml")


def rendered(text: str, values: dict[str, Any], release: str) -> str:
    """Render what the chart uses of Helm's language: values, ``quote`` and ``range`` over a list of words."""

    def value(path: str) -> Any:
        found: Any = {"Values": values, "Release": {"Name": release}}
        for name in path.strip(".").split("."):
            found = found[name]
        return found

    def repeat(match: re.Match[str]) -> str:
        return "".join(match[2].replace("{{ . }}", str(item)) for item in value(match[1]))

    text = re.sub(r"\s*\{\{- range (\S+) \}\}(.*?)\s*\{\{- end \}\}", repeat, text, flags=re.S)
    text = re.sub(r"\{\{ (\.\S+) \| quote \}\}", lambda match: f'"{value(match[1])}"', text)
    text = re.sub(r"\{\{ (\.\S+) \}\}", lambda match: str(value(match[1])), text)
    assert "{{" not in text, text
    return text


def pods() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        document = one(path)
        if "template" in document["spec"] if "spec" in document else False:
            yield document["spec"]["template"]["spec"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifest_is_valid(path: Path) -> None:
    kubernetes_validate.validate(one(path), KUBERNETES, strict=True)


def test_the_validator_finds_a_planted_fault() -> None:
    faulty = manifest("deployment")
    faulty["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(faulty, KUBERNETES, strict=True)


def test_pods_have_no_rights_and_no_writable_system() -> None:
    found = list(pods())
    assert len(found) == 2
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in context
            assert container["resources"]["limits"]["memory"]
        keys = next(item for item in pod["volumes"] if item["name"] == "keys")
        assert keys["persistentVolumeClaim"]["readOnly"] is True
        (tmp,) = [item for item in pod["volumes"] if "emptyDir" in item]
        assert tmp["emptyDir"]["medium"] == "Memory"


def test_a_stop_has_the_time_that_it_needs() -> None:
    needed_s = Settings.from_mapping({}).timeout_s + AFTER_DEADLINE_S
    pod = manifest("deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= needed_s + before_s
    compose = one(DEPLOY / "compose" / "compose.yaml")["services"]["wenyin"]
    assert int(compose["stop_grace_period"].removesuffix("s")) >= needed_s
    unit = (DEPLOY / "systemd" / "wenyin.service").read_text("utf-8")
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.M)[0]) >= needed_s
    assert "\nKillMode=mixed\n" in unit
    assert [
        container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")
    ] == [
        "/readyz",
        "/readyz",
        "/livez",
    ]


def test_manifests_belong_together() -> None:
    deployment, policy = manifest("deployment"), manifest("networkpolicy")["spec"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["replicas"] >= 3
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        manifest("service")["spec"]["selector"],
        manifest("pdb")["spec"]["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
    ):
        assert selector == labels
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    hpa = manifest("hpa")["spec"]
    assert hpa["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert hpa["minReplicas"] > manifest("pdb")["spec"]["minAvailable"]
    assert hpa["metrics"][0]["pods"]["metric"]["name"] == metrics.GAUGES["queued"][0]


def test_chart_with_its_defaults_makes_the_plain_manifests() -> None:
    values = one(CHART / "values.yaml")
    templates = sorted((CHART / "templates").glob("*.yaml"))
    assert {path.stem for path in templates} == {path.stem for path in MANIFESTS} - {"batch-job"}
    for path in templates:
        made = yaml.safe_load(rendered(path.read_text("utf-8"), values, "wenyin"))
        assert made == manifest(path.stem), path.name
        other = yaml.safe_load(rendered(path.read_text("utf-8"), values, "another"))
        assert other["metadata"]["name"] == "another"
        kubernetes_validate.validate(other, KUBERNETES, strict=True)


def test_every_setting_and_metric_named_in_deploy_exists() -> None:
    settings = {name for name, _, _ in Settings.table()}
    declared = {name for name, _ in (*metrics.GAUGES.values(), *metrics.COUNTERS.values())}
    known = declared | {f"{name}_total" for name, _ in metrics.COUNTERS.values()}
    known |= {"wenyin_ready", "wenyin_signing_ready", "wenyin_conversion_seconds_bucket"}
    for path in (item for item in DEPLOY.rglob("*") if item.is_file()):
        text = path.read_text("utf-8")
        assert set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", text)) <= settings, path
        if path.parent.name == "prometheus":
            assert set(re.findall(r"\bwenyin_\w+", text)) <= known, path


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    (group,) = one(DEPLOY / "prometheus" / "alerts.yaml")["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names)) > 5
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_compose_grants_nothing() -> None:
    service = one(DEPLOY / "compose" / "compose.yaml")["services"]["wenyin"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert [item.split(":")[0] for item in service["tmpfs"]] == ["/tmp"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert ((DEPLOY / "compose") / service["build"]).resolve() == ROOT
    health = next(
        step.rest
        for step in parse((ROOT / "Dockerfile").read_text("utf-8"))[-1].steps
        if step.name == "HEALTHCHECK"
    )
    assert service["healthcheck"]["test"][-1] in health


def test_dockerfile_ends_as_an_ordinary_user_and_copies_what_is_sent() -> None:
    stages = parse((ROOT / "Dockerfile").read_text("utf-8"))
    assert [stage.name for stage in stages] == ["system", "build", "2"]
    last = {step.name: step for step in stages[-1].steps}
    assert last["USER"].rest not in ("root", "0")
    assert last["ENTRYPOINT"].words[0] == "tini"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    context = sent(listed.stdout.splitlines(), (ROOT / ".dockerignore").read_text("utf-8"))
    for step in (step for stage in stages for step in stage.steps):
        if step.name == "COPY" and not step.flags:
            for source in step.words[:-1]:
                assert any(name == source or name.startswith(f"{source}/") for name in context), source
    assert not any(name.startswith(("tests/", "fixtures/", "docs/")) for name in context)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this system has no systemd")
def test_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "wenyin.service").read_text("utf-8")
    unit = tmp_path / "wenyin.service"
    unit.write_text(text.replace("/opt/wenyin/.venv/bin/wenyin", sys.executable), "utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in checked.stderr.splitlines() if "wenyin.service" in line]
    assert (checked.returncode, said) == (0, [])


@pytest.mark.parametrize(
    ("script", "command"), [("scheduler", dask_scheduler.main), ("worker", dask_worker.main)]
)
def test_options_of_the_dask_scripts_are_those_of_dask(script: str, command: click.Command) -> None:
    text = (DEPLOY / "dask" / f"{script}.sh").read_text("utf-8")
    (line,) = re.findall(rf"^exec dask {script} (.*)$", text, re.M)
    given = shlex.split(re.sub(r"\$\{1:-(\d+)\}", r"\1", line).replace("$(nproc)", "2"))
    with command.make_context(script, given) as context:
        assert context.params["dashboard"] is False
