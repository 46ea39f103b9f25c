"""The manifests of k8s/, run on a real Kubernetes: the one that KUBECONFIG names (tools/kube.sh env)."""
