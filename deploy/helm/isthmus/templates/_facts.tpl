{{/* What the parts are, who reaches whom, and which secrets each reads: what cannot be set. */}}

{{/* Where each part listens. */}}
{{- define "isthmus.ports" -}}
gateway: {http: 8080}
qido: {http: 8000}
wado: {http: 8000}
stow: {http: 8000}
scp: {http: 8000{{ if .Values.scp.clear }}, dicom: 11112{{ end }}{{ if .Values.scp.tlsSecret }}, dicom-tls: 2762{{ end }}}
dimse-scu: {http: 8000}
web-scu: {http: 8000}
arrivals: {http: 8000}
nats: {nats: 4222}
s3: {s3: 9000, metrics: 9324}
{{- end -}}

{{/* Who opens connections to whom. The network of the PACS is for those alone that speak with it. */}}
{{- define "isthmus.reach" -}}
gateway: [qido, wado, stow]
qido: [nats, s3]
wado: [nats, s3]
stow: [nats, s3]
scp: [nats, s3, pacs]
dimse-scu: [nats, s3, pacs]
web-scu: [nats, s3, pacs]
arrivals: [nats, s3]
bucket: [s3]
operator: [gateway, nats, s3, qido, wado, stow, scp, dimse-scu, web-scu, arrivals{{ if .Values.operator.reachesPacs }}, pacs{{ end }}]
nats: []
s3: []
{{- end -}}

{{/* Of the secrets that services share, those that each reads: as in compose/compose.yaml. */}}
{{- define "isthmus.keys" -}}
qido: [signing_key, metrics_key, link_key, operator_key, gateway_secret]
wado: [signing_key, metrics_key, link_key, operator_key, gateway_secret]
stow: [signing_key, metrics_key, link_key, operator_key, gateway_secret]
scp: [signing_key, metrics_key, link_key]
dimse-scu: [signing_key, metrics_key]
web-scu: [signing_key, metrics_key]
arrivals: [signing_key, metrics_key]
{{- end -}}
