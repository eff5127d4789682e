"""Passwords and keys: made once, each with whom it is for, and in clear nowhere else."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from isthmus.common.bus import accounts
from isthmus.common.config.access import LEAST_SECRET
from tests.deploy.cluster import installed
from tests.deploy.rendering import Manifest, Rendered, complaint, read, render

EVERYTHING = Path(__file__).parent / "values" / "everything.yaml"
EXTERNAL = Path(__file__).parent / "values" / "external.yaml"
HTTP_FACES = ("qido", "wado", "stow")
SERVICES = tuple(accounts.SERVICES)


def all_secrets(rendered: Rendered) -> Mapping[str, Mapping[str, str]]:
    return {f"isthmus-{name}": rendered.secret(name) for name in rendered.of_kind("Secret")}


def test_what_a_cluster_has_is_kept_and_what_it_lacks_is_made() -> None:
    first = installed({})
    kept = dict(first.secret("secrets"))
    again = installed({"isthmus-secrets": kept})
    assert all_secrets(again) == all_secrets(first)

    lacking = {key: value for key, value in kept.items() if key not in ("metrics_key", "nats_wado")}
    upgraded = dict(installed({"isthmus-secrets": lacking}).secret("secrets"))
    assert lacking.items() <= upgraded.items()
    assert upgraded.keys() == kept.keys()
    assert all(upgraded[key] != kept[key] for key in kept.keys() - lacking.keys())


def test_each_installation_has_others() -> None:
    first, second = installed({}).secret("secrets"), installed({}).secret("secrets")
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


def test_they_stay_when_the_release_is_uninstalled() -> None:
    kept = {
        name
        for name, secret in render().of_kind("Secret").items()
        if secret["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {"secrets"}


def test_none_can_be_guessed_and_no_two_are_alike() -> None:
    secrets = {key: value for key, value in render().secret("secrets").items() if not key.endswith("_pem")}
    assert len(set(secrets.values())) == len(secrets)
    assert all(len(value) >= LEAST_SECRET for value in secrets.values())


def test_each_service_has_its_own_and_what_it_shares_and_no_more() -> None:
    rendered = render()
    for name in SERVICES:
        own = {"nats_password", "s3_secret_key", "signing_key", "metrics_key"}
        own |= {"link_key"} if name in (*HTTP_FACES, "scp") else set()
        own |= {"operator_key", "gateway_secret"} if name in HTTP_FACES else set()
        assert rendered.secret(name).keys() == own
    assert rendered.secret("gateway").keys() == {"gateway_secret"}
    assert rendered.secret("prometheus").keys() == {"metrics_key"}


def test_the_servers_know_the_services_by_what_these_show() -> None:
    rendered = render()
    passwords = rendered.secret("nats")["passwords.conf"]
    identities = {one["name"]: one for one in json.loads(rendered.secret("s3")["s3.json"])["identities"]}
    assert identities.keys() == {"isthmus", *SERVICES}
    for name in SERVICES:
        secret = rendered.secret(name)
        variable = f"NATS_{name.upper().replace('-', '_')}_PASSWORD"
        assert f'{variable}: "{secret["nats_password"]}"\n' in passwords
        assert identities[name]["credentials"] == [{"accessKey": name, "secretKey": secret["s3_secret_key"]}]
    assert rendered.secret("gateway")["gateway_secret"] == rendered.secret("wado")["gateway_secret"]
    assert rendered.secret("prometheus")["metrics_key"] == rendered.secret("scp")["metrics_key"]


@pytest.mark.parametrize("values", [{}, read(EVERYTHING)], ids=["defaults", "everything"])
def test_they_are_in_no_manifest_but_secrets(values: Manifest) -> None:
    rendered = render(values)
    secret = {value for held in all_secrets(rendered).values() for value in held.values()}
    shown = json.dumps([one for one in rendered.manifests if one["kind"] != "Secret"]) + rendered.notes
    assert not [value for value in secret if value in shown]


@pytest.mark.parametrize("path", [EVERYTHING, EXTERNAL], ids=["everything", "external"])
def test_a_process_has_them_as_files_and_none_in_its_environment(path: Path) -> None:
    for name, container in render(read(path)).containers():
        for one in container.get("env", ()):
            source = one.get("valueFrom", {}).get("secretKeyRef", {})
            # It is a name; what is signed with is a file.
            assert source.get("key") in (None, "s3_access_key"), (name, one["name"])
        sources = [one["secretRef"]["name"] for one in container.get("envFrom", ())]
        assert sources in ([], ["subscribers"]), name


def test_nobody_but_its_owner_mounts_a_secret() -> None:
    rendered = render()
    for name, pod in rendered.pods().items():
        mounted = set()
        for volume in pod["spec"]["volumes"]:
            mounted |= {one["secret"]["name"] for one in volume.get("projected", {}).get("sources", ())}
            mounted |= {volume["secret"]["secretName"]} if "secret" in volume else set()
            assert (
                volume.get("projected", volume.get("secret", {"defaultMode": 0o440}))["defaultMode"] == 0o440
            )
        assert mounted == {f"isthmus-{'s3' if name == 'bucket' else name}"}


def test_with_servers_of_ones_own_each_service_has_the_secrets_that_are_named() -> None:
    rendered = render(read(EXTERNAL))
    assert rendered.of_kind("Secret").keys() == {"secrets", "gateway", "prometheus", "operator", *SERVICES}
    for name in SERVICES:
        assert not {"nats_password", "s3_secret_key"} & rendered.secret(name).keys()
    wado = rendered.pods()["wado"]["spec"]
    (secrets,) = (volume for volume in wado["volumes"] if volume["name"] == "secrets")
    assert [one["secret"]["name"] for one in secrets["projected"]["sources"]] == [
        "isthmus-wado",
        "bus-wado",
        "store-wado",
    ]


@pytest.mark.parametrize("server", ["nats", "s3"])
def test_without_a_secret_for_him_at_a_server_of_ones_own_there_is_no_pod_for_the_operator(
    server: str,
) -> None:
    values = read(EXTERNAL)
    del values[server]["secrets"]["operator"]
    rendered = render(values)
    assert "operator" not in rendered.pods()
    assert "operator" not in rendered.of_kind("Secret")


def test_a_service_without_a_secret_for_a_server_of_ones_own_is_named() -> None:
    values = read(EXTERNAL)
    del values["s3"]["secrets"]["dimse-scu"]
    assert "s3.secrets.dimse-scu: is required where s3.enabled is false" in complaint(lambda: render(values))


def test_where_they_are_made_by_others_the_chart_makes_none_and_wants_the_same_names() -> None:
    rendered, made = render({"secrets": {"create": False}}), render()
    assert not rendered.of_kind("Secret")
    assert rendered.pods() == made.pods()
