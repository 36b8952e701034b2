{{- define "modelmonitor.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "modelmonitor.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The labels that a component's pods are selected by. Call with (list . "controller"). */}}
{{- define "modelmonitor.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* An image by digest, or else by tag. Call with (list . .Values.image.operator). */}}
{{- define "modelmonitor.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "modelmonitor.tlsSecret" -}}{{ include "modelmonitor.fullname" . }}-injector-tls{{- end -}}
{{- define "modelmonitor.keysSecret" -}}{{ include "modelmonitor.fullname" . }}-keys{{- end -}}
{{- define "modelmonitor.publicKeys" -}}{{ include "modelmonitor.fullname" . }}-public-keys{{- end -}}

{{/* What both processes are told; see core/settings.py, which reads it. */}}
{{- define "modelmonitor.environment" -}}
- name: MM_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: MM_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: MM_COLLECTOR_IMAGE
  value: {{ include "modelmonitor.image" (list . .Values.image.collector) | quote }}
- name: MM_COLLECTOR_PULL_POLICY
  value: {{ .Values.image.pullPolicy }}
- name: MM_NAMESPACES
  value: {{ join "," .Values.namespaces | quote }}
- name: MM_SERVICE_NAME
  value: {{ include "modelmonitor.fullname" . }}-injector
- name: MM_WEBHOOK_NAME
  value: {{ include "modelmonitor.fullname" . }}
- name: MM_CERTIFICATES_MODE
  value: {{ .Values.certificates.mode }}
- name: MM_TLS_SECRET
  value: {{ include "modelmonitor.tlsSecret" . }}
- name: MM_KEYS_SECRET
  value: {{ include "modelmonitor.keysSecret" . }}
- name: MM_PUBLIC_KEYS_CONFIG_MAP
  value: {{ include "modelmonitor.publicKeys" . }}
- name: MM_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- end -}}

{{/* Restricted Pod Security, for pods. */}}
{{- define "modelmonitor.podSecurity" -}}
runAsNonRoot: true
{{- range $field := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- with index $.Values.security $field }}
{{ $field }}: {{ int64 . }}
{{- end }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Restricted Pod Security, for containers. */}}
{{- define "modelmonitor.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Probes on the plain HTTP port that both processes serve. */}}
{{- define "modelmonitor.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
{{- end -}}

{{/* Where a component may run. Call with its values. */}}
{{- define "modelmonitor.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Choices that do not go together, refused in words. */}}
{{- define "modelmonitor.checks" -}}
{{- if gt (int .Values.controller.replicas) 1 -}}
{{- fail (printf "controller.replicas is %d: a store in a directory serves one controller; set it to 1" (int .Values.controller.replicas)) -}}
{{- end -}}
{{- if has .Release.Namespace .Values.namespaces -}}
{{- fail (printf "namespaces names %s, the namespace of the operator itself: monitors are refused there; install the chart in a namespace of its own" .Release.Namespace) -}}
{{- end -}}
{{- end -}}
