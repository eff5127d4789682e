{{/* Pieces of manifests that several kinds have. What is for one part takes (list $ name). */}}

{{- define "isthmus.selector" -}}
app.kubernetes.io/name: isthmus
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{- define "isthmus.labels" -}}
{{ include "isthmus.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (first .).Chart.Name (first .).Chart.Version }}
{{- end -}}

{{- define "isthmus.metadata" -}}
name: {{ (first .).Release.Name }}-{{ last . }}
labels:
  {{- include "isthmus.labels" . | nindent 2 }}
{{- end -}}

{{- define "isthmus.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{/* Nobody is root, and nobody becomes it. */}}
{{- define "isthmus.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "isthmus.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What all pods have, and where they go. */}}
{{- define "isthmus.pod" -}}
{{- $top := first . -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $top.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "isthmus.podSecurity" . | nindent 2 }}
{{- with $top.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $top.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* On different nodes and zones, as far as there are such. */}}
{{- define "isthmus.spread" -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "isthmus.selector" $ | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}

{{/* The Secret of a service in which something is: named, or that with all that is its own. */}}
{{- define "isthmus.secretOf" -}}
{{- $top := index . 0 -}}
{{- index . 2 | default (printf "%s-%s" $top.Release.Name (index . 1)) -}}
{{- end -}}

{{/* Whether there is a pod for the operator: it takes what NATS and S3 know him by. */}}
{{- define "isthmus.hasOperator" -}}
{{- if and (or .Values.nats.enabled .Values.nats.secrets.operator) (or .Values.s3.enabled .Values.s3.secrets.operator) }}yes{{ end -}}
{{- end -}}

{{/* Where the gateway is for who is in the cluster. */}}
{{- define "isthmus.inside" -}}
{{ ternary "https" "http" (ne .Values.gateway.tlsSecret "") }}://{{ .Release.Name }}-gateway.{{ .Release.Namespace }}.svc:{{ .Values.gateway.port }}
{{- end -}}

{{/* Where it is for clients. */}}
{{- define "isthmus.url" -}}
{{- if .Values.url -}}
{{ .Values.url }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
https://{{ first .Values.ingress.hosts }}
{{- else -}}
{{ include "isthmus.inside" . }}
{{- end -}}
{{- end -}}

{{/* Where scp listens: it goes before isthmus.toml. */}}
{{- define "isthmus.scpListens" -}}
- {name: ISTHMUS_SCP__LISTEN, value: {{ ternary "0.0.0.0:11112" "" .Values.scp.clear | quote }}}
{{- if .Values.scp.tlsSecret }}
- {name: ISTHMUS_SCP__TLS__LISTEN, value: "0.0.0.0:2762"}
- {name: ISTHMUS_SCP__TLS__CERTIFICATE_FILE, value: /run/secrets/scp-tls/tls.crt}
- {name: ISTHMUS_SCP__TLS__KEY_FILE, value: /run/secrets/scp-tls/tls.key}
{{- end }}
{{- end -}}

{{- define "isthmus.natsUrl" -}}
{{ ternary (printf "nats://%s-nats:4222" .Release.Name) .Values.nats.url .Values.nats.enabled }}
{{- end -}}

{{- define "isthmus.s3Endpoint" -}}
{{ ternary (printf "%s-s3:9000" .Release.Name) .Values.s3.endpoint .Values.s3.enabled }}
{{- end -}}

{{/* What the schema cannot say: values that do not go together. */}}
{{- define "isthmus.check" -}}
{{- range $part, $address := dict "nats" "url" "s3" "endpoint" }}
{{- $values := index $.Values $part }}
{{- if $values.enabled }}
{{- range $key := list $address "caConfigMap" "secrets" "egress" }}
{{- if index $values $key }}{{ fail (printf "%s.%s: is for one of your own: set %s.enabled to false" $part $key $part) }}{{ end }}
{{- end }}
{{- else }}
{{- if not (index $values $address) }}{{ fail (printf "%s.%s: is required where %s.enabled is false" $part $address $part) }}{{ end }}
{{- if and $.Values.networkPolicy.enabled (not $values.egress) }}{{ fail (printf "%s.egress: is required where %s.enabled is false, or the network policies let nobody reach it" $part $part) }}{{ end }}
{{- range $name, $_ := $.Values.services }}
{{- if and $.Values.secrets.create (not (index $values.secrets $name)) }}{{ fail (printf "%s.secrets.%s: is required where %s.enabled is false: a Secret with what %s is known by there" $part $name $part $name) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (or .Values.scp.clear .Values.scp.tlsSecret) }}{{ fail "scp.clear: is false, and without scp.tlsSecret there is no port with TLS either" }}{{ end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}{{ fail "ingress.hosts: names no host" }}{{ end }}
{{- if and .Values.telemetry.otlpEndpoint .Values.networkPolicy.enabled (not .Values.telemetry.egress) }}{{ fail "telemetry.egress: is required beside telemetry.otlpEndpoint, or the network policies let nobody reach it" }}{{ end }}
{{- end -}}

{{/* Whether somebody else than the chart says how many there are. */}}
{{- define "isthmus.isScaled" -}}
{{- $scaling := (first .).Values.autoscaling -}}
{{- if and (ne $scaling.kind "none") (hasKey $scaling.services (last .)) }}yes{{ end -}}
{{- end -}}

{{/* Quickly more, slowly fewer: a worker that goes hands its jobs back, and they begin anew. */}}
{{- define "isthmus.behavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies: [{type: Pods, value: 2, periodSeconds: 30}]
scaleDown:
  stabilizationWindowSeconds: 600
  policies: [{type: Pods, value: 1, periodSeconds: 120}]
{{- end -}}

{{/* Ports of a part in a network policy, those of these names; takes (list ports names...). */}}
{{- define "isthmus.policyPorts" -}}
{{- $ports := list -}}
{{- range $name := rest . }}
{{- if hasKey (first $) $name }}{{ $ports = append $ports (dict "port" $name) }}{{ end }}
{{- end }}
{{- toJson $ports -}}
{{- end -}}

{{/* Networks in a network policy. */}}
{{- define "isthmus.networks" -}}
{{- $peers := list -}}
{{- range . }}{{ $peers = append $peers (dict "ipBlock" (dict "cidr" .)) }}{{ end }}
{{- toJson $peers -}}
{{- end -}}

{{/*
A plain value of isthmus.toml; takes (list config table key default). Helm reads no TOML in all versions: the table ends
where a line begins with a bracket.
*/}}
{{- define "isthmus.setting" -}}
{{- $table := regexFind (printf "(?m)^\\[%s\\].*\\n(?:[^\\[\\n].*\\n|\\n)*" (index . 1)) (printf "%s\n" (index . 0)) -}}
{{- $line := regexFind (printf "(?m)^\\s*%s\\s*=\\s*[^#\\n]+" (index . 2)) $table -}}
{{- regexReplaceAll "^[^=]*=\\s*" $line "" | trim | trimAll "\"'" | default (index . 3) -}}
{{- end -}}
