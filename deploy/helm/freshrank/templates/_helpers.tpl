{{- define "freshrank.name" -}}
{{- $name := ternary .Release.Name (printf "%s-freshrank" .Release.Name) (contains "freshrank" .Release.Name) }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "freshrank.selector" -}}
app.kubernetes.io/name: freshrank
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "freshrank.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "freshrank.selector" . }}
app.kubernetes.io/component: worker
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "freshrank.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "freshrank.claim" -}}
{{ .Values.checkpoints.existingClaim | default (printf "%s-checkpoints" (include "freshrank.name" .)) }}
{{- end }}

{{/* The settings file: the user's settings, and those that follow from where the chart runs it. */}}
{{- define "freshrank.settings" -}}
{{- $own := dict
  "checkpoints" (dict "directory" "/var/lib/freshrank/checkpoints")
  "telemetry" (dict "host" "0.0.0.0" "port" (int .Values.monitoring.port)) }}
{{- with .Values.kafka.tls }}
{{- if .enabled }}
{{- $tls := dict "ca_file" "/etc/ssl/certs/ca-certificates.crt" }}
{{- range $setting, $file := dict "ca_file" (and .existingSecret .ca) "certificate_file" .certificate "key_file" .key }}
{{- if $file }}{{ $_ := set $tls $setting (printf "/etc/freshrank/tls/%s" $file) }}{{ end }}
{{- end }}
{{- $_ := set $own "kafka" (dict "tls" $tls) }}
{{- end }}
{{- end }}
{{- toYaml (mustMergeOverwrite (deepCopy .Values.settings) $own) }}
{{- end }}

{{/* What a schema can't say, or says in words that help nobody. */}}
{{- define "freshrank.refuse" -}}
{{- $settings := .Values.settings }}
{{- if and (gt (int .Values.replicas) 1) (ne .Values.checkpoints.accessMode "ReadWriteMany") }}
{{- fail (printf "replicas is %d, but checkpoints.accessMode is %s: a standby on another node goes on from the writer's checkpoints, so both need them on one volume. Set checkpoints.accessMode to ReadWriteMany, with a storage class that has it, or replicas to 1." (int .Values.replicas) .Values.checkpoints.accessMode) }}
{{- end }}
{{- range $section, $keys := dict "checkpoints" (list "directory") "telemetry" (list "host" "port") "kafka" (list "instance_id" "tls") }}
{{- range $keys }}
{{- if hasKey (get $settings $section | default dict) . }}
{{- fail (printf "settings.%s.%s is set by the chart: remove it (see kafka.tls, checkpoints and monitoring.port)." $section .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $sasl := (get $settings "kafka").sasl }}
{{- if hasKey ($sasl | default dict) "password" }}
{{- fail "settings.kafka.sasl.password would stand in a ConfigMap: put it into a Secret and name that in kafka.password.existingSecret." }}
{{- end }}
{{- if and $sasl (not .Values.kafka.password.existingSecret) }}
{{- fail "settings.kafka.sasl needs a password: name the Secret that has it in kafka.password.existingSecret." }}
{{- end }}
{{- if and .Values.kafka.password.existingSecret (not $sasl) }}
{{- fail "kafka.password.existingSecret is for settings.kafka.sasl: set its mechanism and username there." }}
{{- end }}
{{- with .Values.kafka.tls }}
{{- if ne (empty .certificate) (empty .key) }}
{{- fail "kafka.tls.certificate and kafka.tls.key belong together: give both, or neither." }}
{{- end }}
{{- if and .existingSecret (not .enabled) }}
{{- fail "kafka.tls.existingSecret is given, but kafka.tls.enabled is false: the worker would not encrypt." }}
{{- end }}
{{- if and .certificate (not .existingSecret) }}
{{- fail "kafka.tls.certificate is a key of a Secret: name that in kafka.tls.existingSecret." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "freshrank.env" -}}
- name: FRESHRANK_CONFIG
  value: /etc/freshrank/freshrank.yaml
- name: FRESHRANK__KAFKA__INSTANCE_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if .Values.kafka.password.existingSecret }}
- name: FRESHRANK__KAFKA__SASL__PASSWORD_FILE
  value: /etc/freshrank/password/{{ .Values.kafka.password.key }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "freshrank.mounts" -}}
- name: settings
  mountPath: /etc/freshrank/freshrank.yaml
  subPath: freshrank.yaml
  readOnly: true
- name: checkpoints
  mountPath: /var/lib/freshrank
{{- if .Values.kafka.password.existingSecret }}
- name: password
  mountPath: /etc/freshrank/password
  readOnly: true
{{- end }}
{{- if .Values.kafka.tls.existingSecret }}
- name: tls
  mountPath: /etc/freshrank/tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "freshrank.container" -}}
image: {{ include "freshrank.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  {{- include "freshrank.env" . | nindent 2 }}
volumeMounts:
  {{- include "freshrank.mounts" . | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
