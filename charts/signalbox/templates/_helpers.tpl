{{- define "signalbox.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains "signalbox" .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-signalbox" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "signalbox.selector" -}}
app.kubernetes.io/name: signalbox
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "signalbox.labels" -}}
{{ include "signalbox.selector" . }}
app.kubernetes.io/part-of: signalbox
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Labels that a user gives must not be those by which the chart finds what is its own. Takes the context and the
path of the value. */ -}}
{{- define "signalbox.own" -}}
{{- $labels := include "signalbox.labels" (first .) | fromYaml }}
{{- $values := (first .).Values }}
{{- $path := last . }}
{{- range splitList "." $path }}{{ $values = index $values . }}{{ end }}
{{- range $label, $_ := $values }}
{{- if hasKey $labels $label }}
{{- fail (printf "%s: %s is a label of the chart's own: remove it, or choose another one" $path $label) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "signalbox.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "signalbox.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "signalbox.fullname" .) }}
{{- else }}
{{- required "serviceAccount.name: name an existing ServiceAccount, for serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* In namespaced mode these rules become a Role of each namespace, else a ClusterRole. */ -}}
{{- define "signalbox.rules" -}}
# What it reconciles; the specs are users', it never writes them.
- apiGroups: [signalbox.dev]
  resources: [modelbackends, routingpolicies]
  verbs: [list, watch]
# Conditions, addresses and weights.
- apiGroups: [signalbox.dev]
  resources: [modelbackends/status, routingpolicies/status]
  verbs: [patch]
# Users' ones are watched as metadata only, and read when a policy or a backend refers to them: keys, certificates, examples
# to learn from (get). The others are children of a router: its configuration, its credentials put together, and what its
# policies have learned for them. Their names follow those of users' resources, so the rule can name none.
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get, list, watch, create, patch, delete]
# A serviceRef is resolved through a Service; the others are children of a router. (get: whose is what has a child's name?)
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# Says what has happened, at the resource that it has happened to.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
# Which pods have a sidecar, and which ask for one in vain (list, watch; by label); which router a pod belongs to that
# connects to the control stream (get, here and below).
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
# The ready endpoints of a serviceRef.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
