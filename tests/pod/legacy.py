"""The application that the parts are put beside: unmodified, on localhost only, knowing nothing of them.

Python's own file server answers each request with HTTP/1.0 and closes; /etc/hostname is the name of the pod. It runs as
the user of the parts, so that a test can send signals to any process of the pod from its container.
"""

IMAGE = "python:3.13-slim-trixie"


def deployment(replicas: int = 1, *, shared: bool = True) -> str:
    """A Deployment and a Service of it; `shared`: its containers share one PID namespace."""
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: legacy
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: legacy}}
  strategy:
    rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata:
      labels: {{app: legacy}}
    spec:
      shareProcessNamespace: {str(shared).lower()}
      containers:
        - name: legacy
          image: {IMAGE}
          imagePullPolicy: IfNotPresent
          command: [python3, -m, http.server, --bind, 127.0.0.1, --directory, /etc, "8080"]
          lifecycle:
            preStop:
              exec: {{command: [sleep, "10"]}}
          securityContext: {{runAsUser: 65532}}
---
apiVersion: v1
kind: Service
metadata:
  name: legacy
spec:
  selector: {{app: legacy}}
  ports:
    - {{name: https, port: 443, targetPort: 8443}}
"""
