"""The chart with several sets of values, rendered by the real Helm, each once for all tests."""

from functools import cache

from cluster.api import Object
from cluster.helm import CHART, helm, parsed

EVERY_VALUE = """\
replicas: 3
image: {repository: registry.example.com/signalbox, tag: v1, digest: DIGEST, pullPolicy: Always}
imagePullSecrets: [{name: pull}]
fullnameOverride: other
serviceAccount: {name: own, annotations: {cloud.example.com/role: signalbox}}
allowCIDRs: [10.0.0.0/8, "fd00::/8"]
log: {format: text, verbose: true}
resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2, memory: 2Gi}}
podDisruptionBudget: {maxUnavailable: 50%}
webhook: {failurePolicy: Fail, timeoutSeconds: 5}
networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
monitoring:
  prometheusRules: {enabled: true, labels: {release: prometheus}}
  grafanaDashboard: {enabled: true, labels: {grafana_dashboard: null, dashboards: signalbox}}
topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}
  - maxSkew: 2
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app.kubernetes.io/name: signalbox}}
podLabels: {team: a}
podSecurityContext: {fsGroupChangePolicy: OnRootMismatch}
securityContext: {runAsUser: 1000}
podAnnotations: {example.com/note: "true"}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: dedicated, operator: Equal, value: system, effect: NoSchedule}]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [amd64, arm64]}]}]
priorityClassName: system-cluster-critical
terminationGracePeriodSeconds: 60
extraEnv:
  - {name: HTTPS_PROXY, value: "http://proxy.example.com:3128"}
  - {name: FROM, valueFrom: {secretKeyRef: {name: some, key: some}}}
""".replace("DIGEST", f"sha256:{'0' * 64}")

VALUES = {
    "default": "{}",
    "namespaced": "namespaces: [NAMESPACE, default]",
    "without": """\
{replicas: 1, webhook: {enabled: false}, networkPolicy: {enabled: false}, podDisruptionBudget: {enabled: false},
 podMonitor: {enabled: false}, rbac: {aggregate: false}, crds: {install: false}, topologySpreadConstraints: []}""",
    "theirs": "{rbac: {create: false}, serviceAccount: {create: false, name: own}}",
    "every": EVERY_VALUE,
}


@cache
def text(values: str, *options: str, namespace: str = "signalbox") -> str:
    """All that Helm would apply. NAMESPACE among the values is that of the release."""
    arguments = ("template", "signalbox", CHART, "--namespace", namespace, "--values", "-", *options)
    return helm(None, *arguments, stdin=values.replace("NAMESPACE", namespace)).stdout


def manifests(values: str = "{}", *options: str) -> list[Object]:
    """The same, read."""
    return parsed(text(values, *options))


def refusal(values: str, *options: str) -> str:
    """What Helm says of values that are wrong."""
    done = helm(None, "template", "signalbox", CHART, "--values", "-", *options, check=False, stdin=values)
    assert done.returncode != 0
    return done.stderr
