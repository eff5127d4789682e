{{/* What NATS and S3 know the services by, and what the isthmus command knows the system by, from the secrets. */}}

{{/* Included by nats.conf; takes the secrets, in base64. */}}
{{- define "isthmus.natsPasswords" -}}
{{- range $key, $value := . }}
{{- if hasPrefix "nats_" $key }}
{{ upper $key | replace "-" "_" }}_PASSWORD: {{ b64dec $value | quote }}
{{- end }}
{{- end }}
{{ end -}}

{{/* The identities of SeaweedFS, each with its actions; takes (list $ secrets). */}}
{{- define "isthmus.s3Identities" -}}
{{- $secrets := last . }}
{{- $bucket := (first .).Values.s3.bucket }}
{{- $rights := (first .).Files.Get "files/s3-actions.json" | replace ":isthmus" (print ":" $bucket) | fromJson }}
{{- $identities := list }}
{{- range $name, $actions := $rights }}
{{- $credentials := dict "accessKey" $name "secretKey" (index $secrets (printf "s3_%s" $name) | b64dec) }}
{{- $identities = append $identities (dict "name" $name "credentials" (list $credentials) "actions" $actions) }}
{{- end }}
{{- dict "identities" $identities | toJson }}
{{- end -}}

{{/* What the isthmus command knows the system by, in the form of run.json; takes (list $ secrets). */}}
{{- define "isthmus.system" -}}
{{- $top := first . }}
{{- $secrets := last . }}
{{- $release := $top.Release.Name }}
{{- $config := $top.Values.config }}
{{- $processes := list }}
{{- range $name := keys $top.Values.services | sortAlpha }}
{{- $processes = append $processes (dict "name" $name "address" (printf "%s-%s:8000" $release $name)) }}
{{- end }}
{{- $nats := dict "url" (include "isthmus.natsUrl" $top) "user" "isthmus" }}
{{- $s3 := dict "endpoint" (include "isthmus.s3Endpoint" $top) "bucket" $top.Values.s3.bucket }}
{{- if $top.Values.nats.enabled }}
{{- $_ := set $nats "password" (b64dec $secrets.nats_isthmus) }}
{{- else }}
{{- $_ := set $nats "password_file" "nats_password" }}
{{- end }}
{{- if $top.Values.s3.enabled }}
{{- $_ := merge $s3 (dict "access_key" "isthmus" "secret_key" (b64dec $secrets.s3_isthmus)) }}
{{- else }}
{{- $_ := merge $s3 (dict "access_key_file" "s3_access_key" "secret_key_file" "s3_secret_key") }}
{{- end }}
{{- if $top.Values.nats.caConfigMap }}{{ $_ := set $nats "ca_file" "/etc/isthmus/nats/ca.crt" }}{{ end }}
{{- if $top.Values.s3.caConfigMap }}{{ $_ := set $s3 "ca_file" "/etc/isthmus/s3/ca.crt" }}{{ end }}
{{- $system := dict
  "gateway" (include "isthmus.inside" $top)
  "clients" (include "isthmus.url" $top)
  "nats" $nats
  "s3" $s3
  "scp" (dict "ae_title" (include "isthmus.setting" (list $config "scp" "ae_title" "ISTHMUS")) "host" (printf "%s-dicom" $release) "port" (ternary $top.Values.scp.port $top.Values.scp.tlsPort $top.Values.scp.clear) "tls_port" (ternary $top.Values.scp.tlsPort nil (ne $top.Values.scp.tlsSecret "")))
  "cache" (dict "max_bytes" (include "isthmus.setting" (list $config "cache" "max_bytes" "50000000000") | replace "_" "" | int64))
  "services" dict
  "processes" $processes
  "key" (b64dec $secrets.operator_key)
  "metrics_key" (b64dec $secrets.metrics_key)
  "link_key" (b64dec $secrets.link_key)
  "signing_key" (b64dec $secrets.signing_key) }}
{{- if $top.Values.gateway.tlsSecret }}{{ $_ := set $system "certificate" "/run/tls/tls.crt" }}{{ end }}
{{- toJson $system }}
{{- end -}}
