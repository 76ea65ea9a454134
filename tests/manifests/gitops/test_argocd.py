"""What Argo CD is given."""

import yaml

from manifests.gitops.verdicts import SCRIPTS

GITOPS = SCRIPTS.parents[1]


def test_the_patch_of_argo_cd_holds_the_health_scripts() -> None:
    data = yaml.safe_load((GITOPS / "argocd-cm.yaml").read_text())["data"]
    for kind in ("ModelBackend", "RoutingPolicy"):
        script = SCRIPTS / kind / "health.lua"
        assert data[f"resource.customizations.health.signalbox.dev_{kind}"] == script.read_text()
