#!/bin/sh
# Prints a kubeconfig for one of the bot's service accounts, for the cluster of the current context.
#
#   (umask 077; sh deploy/rbac/kubeconfig.sh gitops-bot-preview > preview.kubeconfig)
#
# The token lasts for the second argument (default 8760h, a year; a cluster may give less). It is
# passed on through variables only: in arguments every user of the machine could read it.
set -eu

account=${1:?name a service account: gitops-bot-preview or gitops-bot-apply}
duration=${2:-8760h}

of_cluster() {
  kubectl config view --minify --flatten --raw --output "jsonpath={.clusters[0].cluster.$1}"
}

server=$(of_cluster server)
authority=$(of_cluster certificate-authority-data)
token=$(kubectl create token "$account" --namespace gitops-bot --duration "$duration")

cat <<YAML
apiVersion: v1
kind: Config
current-context: $account
contexts:
  - name: $account
    context: {cluster: main, user: $account}
clusters:
  - name: main
    cluster:
      server: $server
YAML
# Clusters with a publicly trusted certificate need no authority.
[ -z "$authority" ] || echo "      certificate-authority-data: $authority"
cat <<YAML
users:
  - name: $account
    user:
      token: $token
YAML
