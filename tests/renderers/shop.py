"""A repository as people have them: one base, a component and three overlays."""

SHOP: dict[str, str] = {
    "README.md": "# shop\n",
    "base/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- deployment.yaml
- service.yaml
configMapGenerator:
- name: settings
  files:
  - settings.ini
  envs:
  - common.env
labels:
- pairs: {app.kubernetes.io/part-of: shop}
""",
    "base/deployment.yaml": """\
# The shop's web front.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        env:
        - name: HOST
          value: replaced
        envFrom:
        - configMapRef: {name: settings}
        volumeMounts:
        - {name: files, mountPath: /files}
      volumes:
      - name: files
        configMap: {name: settings, defaultMode: 0644}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
""",
    "base/service.yaml": """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports: [{port: 80}]
""",
    "base/settings.ini": "[shop]\ncolour = blue\n",
    "base/common.env": "LEVEL=info\n",
    "base/notes.txt": "not part of any build\n",
    "components/tls/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- path: tls.yaml
  target: {kind: Service, name: web}
""",
    "components/tls/tls.yaml": "- {op: replace, path: /spec/ports/0/port, value: 443}\n",
    "overlays/dev/kustomization.yaml": """\
resources: [../../base]
namePrefix: dev-
images:
- {name: nginx, newName: registry.example/nginx, newTag: "1.27"}
""",
    "overlays/staging/kustomization.yaml": """\
resources:
- ../../base
components:
- ../../components/tls
nameSuffix: -staging
configMapGenerator:
- name: settings
  behavior: merge
  literals: [LEVEL=debug]
patches:
- patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {replicas: 2}
""",
    "overlays/prod/kustomization.yaml": """\
resources:
- ../../base
- namespace.yaml
components:
- ../../components/tls
namespace: shop
namePrefix: prod-
patchesStrategicMerge:
- replicas.yaml
replacements:
- path: host.yaml
transformers:
- |
  apiVersion: builtin
  kind: LabelTransformer
  metadata: {name: tier}
  labels: {tier: prod}
  fieldSpecs:
  - {path: metadata/labels, create: true}
""",
    "overlays/prod/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    "overlays/prod/replicas.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
""",
    "overlays/prod/host.yaml": """\
source: {kind: Service, name: web, fieldPath: metadata.name}
targets:
- select: {kind: Deployment}
  fieldPaths: ["spec.template.spec.containers.[name=web].env.[name=HOST].value"]
""",
}
OVERLAYS = ("overlays/dev", "overlays/staging", "overlays/prod")
