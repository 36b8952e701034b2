{{/* What the controller may do where monitors are. */}}
{{- define "modelmonitor.controllerRules" -}}
# What is watched, and the verdict on it.
- apiGroups: [modelmonitor.dev]
  resources: [modelmonitors]
  verbs: [get, list, watch]
- apiGroups: [modelmonitor.dev]
  resources: [modelmonitors/status]
  verbs: [patch]
# Job templates name their monitor as owner; some clusters ask for this right then.
- apiGroups: [modelmonitor.dev]
  resources: [modelmonitors/finalizers]
  verbs: [update]
# Targets and their pods; the namespace tells whether injection is enabled.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# A policy that allows the model's port by number would cut injected pods off.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list]
# A Service by number leads past collectors; quotas and LimitRanges may refuse or throttle them.
- apiGroups: [""]
  resources: [services, limitranges, resourcequotas]
  verbs: [list]
# The circuit breaker frees pods that never started because of the collector.
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
# Baseline profiles, by the name that the monitor gives.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
# Retraining.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, get, list, watch]
# Transitions are posted; pods that a StatefulSet is refused exist only as its events.
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- end -}}

{{/* What the controller may do for `spec.collection.restart: Once`, if the administrator lets it. */}}
{{- define "modelmonitor.restartRules" -}}
# One annotation of the pod template, by a field manager of its own.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [patch]
# Dry runs only: a pod that comes back with a collector shows that restarting leads to one.
- apiGroups: [""]
  resources: [pods]
  verbs: [create]
{{- end -}}

{{/* What the injector may do where monitors are. */}}
{{- define "modelmonitor.injectorRules" -}}
- apiGroups: [modelmonitor.dev]
  resources: [modelmonitors]
  verbs: [get, list, watch]
{{- end -}}

{{/* What the controller may do in the operator's own namespace. */}}
{{- define "modelmonitor.controllerOwnRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [modelmonitor-controller]
  verbs: [get, update]
# One injector is named for the trial pod of a half-open circuit breaker.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# The root that signs collectors' tokens, made at the first start.
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "modelmonitor.keysSecret" . }}]
  verbs: [get, update]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "modelmonitor.publicKeys" . }}]
  verbs: [get, update]
{{- end -}}

{{/* What the injector may do in the operator's own namespace. */}}
{{- define "modelmonitor.injectorOwnRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "modelmonitor.publicKeys" . }}]
  verbs: [get]
{{- if eq .Values.certificates.mode "self" }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
{{- end }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "modelmonitor.tlsSecret" . }}]
  verbs: [get{{ if eq .Values.certificates.mode "self" }}, update{{ end }}]
{{- end -}}

{{/* A ServiceAccount with rights where monitors are (a ClusterRole, or a Role in each of
     values.namespaces) and in the operator's own namespace.
     Call with (dict "root" . "component" "controller" "rules" "…" "ownRules" "…"). */}}
{{- define "modelmonitor.account" -}}
{{- $root := .root }}
{{- $component := .component }}
{{- $name := printf "%s-%s" (include "modelmonitor.fullname" $root) $component }}
{{- $account := index $root.Values $component "serviceAccount" }}
{{- $rules := .rules }}
{{- $labels := include "modelmonitor.labels" $root }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
  {{- with $account.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- $places := $root.Values.namespaces | default (list "") }}
{{- range $namespace := $places }}
{{- $kind := ternary "Role" "ClusterRole" (ne $namespace "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
rules:
  {{- $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ $kind }}, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ $root.Release.Namespace }}}
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}-own
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
rules:
  {{- .ownRules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}-own
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}-own}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ $root.Release.Namespace }}}
{{- end -}}
