{{/* Labels that stay the same in every version. */}}
{{- define "mall.steadyLabels" -}}
app.kubernetes.io/part-of: mall
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of everything. */}}
{{- define "mall.labels" -}}
{{ include "mall.steadyLabels" . }}
app.kubernetes.io/version: {{ include "mall.tag" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "mall.tag" -}}
{{ .Values.images.tag | default .Chart.AppVersion }}
{{- end }}

{{/* image of a program: (dict "root" . "program" "order") */}}
{{- define "mall.image" -}}
{{ .root.Values.images.repository }}/{{ .program }}:{{ include "mall.tag" .root }}
{{- end }}

{{/* The services and what templates need to know of them. */}}
{{- define "mall.services" -}}
{{ .Files.Get "dapr/services.yaml" }}
{{- end }}

{{/* A service's values over those of all: (dict "root" . "name" "order"); YAML. */}}
{{- define "mall.service" -}}
{{- $v := .root.Values -}}
{{- $all := dict "replicas" $v.replicas "resources" $v.resources "autoscaling" $v.autoscaling -}}
{{- mergeOverwrite (deepCopy $all) (deepCopy (index $v.services .name | default dict)) | toYaml -}}
{{- end }}

{{- define "mall.redisAddress" -}}
{{- if .Values.redis.inside -}}
redis:6379
{{- else -}}
{{ required "redis.address is needed when redis.inside is false" .Values.redis.address }}
{{- end -}}
{{- end }}

{{- define "mall.postgresHost" -}}
{{- if .Values.postgres.inside -}}
postgres
{{- else -}}
{{ required "postgres.host is needed when postgres.inside is false" .Values.postgres.host }}
{{- end -}}
{{- end }}

{{/* The Secret and key of Redis' password. */}}
{{- define "mall.redisSecret" -}}
{{ if .Values.redis.inside }}redis{{ else }}{{ .Values.redis.passwordSecret | default "redis" }}{{ end }}
{{- end }}

{{/* More metadata of a component: (dict "component" "carts" "redis" true "root" .) */}}
{{- define "mall.metadata" -}}
{{- if and .redis .root.Values.redis.tls (not .root.Values.redis.inside) }}
- name: enableTLS
  value: "true"
{{- end }}
{{- with index .root.Values.components .component }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the restricted Pod Security Standard asks of a pod and of a container. */}}
{{- define "mall.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "mall.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "mall.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.images.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
