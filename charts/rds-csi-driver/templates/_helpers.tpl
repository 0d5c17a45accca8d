{{/* Beginning of the names of all objects: `<release>-rds-csi-driver`, or the release alone when it says that already. */}}
{{- define "rds-csi.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "rds-csi.labels" -}}
{{- if not .Values.plain -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ end -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* What a controller's or node's pods are found by. Immutable, so it is what the Go driver's objects have. */}}
{{- define "rds-csi.selector" -}}
{{- $root := .root -}}
{{- if $root.Values.plain -}}
app: {{ include "rds-csi.fullname" $root }}-{{ .component }}
{{- else -}}
app.kubernetes.io/name: {{ $root.Values.nameOverride | default $root.Chart.Name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- end }}

{{- define "rds-csi.podLabels" -}}
{{- if .root.Values.plain }}
{{ include "rds-csi.selector" . }}
{{- end }}
{{ include "rds-csi.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "rds-csi.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* An environment variable from the ConfigMap. Those that the Go driver's ConfigMap lacks may be missing. */}}
{{- define "rds-csi.fromConfig" -}}
- name: {{ .name }}
  valueFrom:
    configMapKeyRef:
      name: {{ .root.Values.rds.configName }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{/* What a container may not do that needs nothing of the host. */}}
{{- define "rds-csi.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* One of the sidecars that call the controller. */}}
{{- define "rds-csi.sidecar" -}}
- name: {{ .name }}
  image: {{ include "rds-csi.image" (dict "root" .root "image" .sidecar.image) }}
  imagePullPolicy: IfNotPresent
  args:
    - --csi-address=/var/lib/csi/sockets/pluginproxy/csi.sock
    {{- if .leader }}
    - --leader-election
    {{- end }}
    {{- range .sidecar.additionalArgs }}
    - {{ . }}
    {{- end }}
  securityContext:
    {{- include "rds-csi.confined" .root | nindent 4 }}
  resources:
    {{- toYaml .sidecar.resources | nindent 4 }}
  volumeMounts:
    - name: socket-dir
      mountPath: /var/lib/csi/sockets/pluginproxy
{{- end }}

{{/* A role and its binding to a ServiceAccount. */}}
{{- define "rds-csi.bound" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- if eq .kind "Role" }}
  namespace: {{ .root.Release.Namespace }}
  {{- end }}
  labels:
    {{- include "rds-csi.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "rds-csi.fullname" .root }}-{{ .component }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* What client-go's leader election does with the sidecar's Lease. */}}
{{- define "rds-csi.leases" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
{{- end }}

{{/* The sidecars of a node run as the owner of the socket. SELinux keeps all but privileged ones away from it. */}}
{{- define "rds-csi.nodeSidecar" -}}
runAsUser: 0
{{- if .Values.openshift.enabled }}
privileged: true
readOnlyRootFilesystem: true
{{- else }}
{{ include "rds-csi.confined" . }}
{{- end }}
{{- end }}
