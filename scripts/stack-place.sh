#!/usr/bin/env bash
# Prints where a stack is deployed to, as lines that a workflow takes for the outputs of a step:
#   scripts/stack-place.sh dev >> "$GITHUB_OUTPUT"
# The stack file says it once and for all; a variable of the repository could say something else.
set -euo pipefail
file="Pulumi.$1.yaml"
for key in project region; do
  value=$(sed -n "s/^  gcp:$key: //p" "$file")
  if [[ ! $value =~ ^[a-z][a-z0-9-]+[a-z0-9]$ ]]; then
    echo "$file: gcp:$key is \"$value\"; a plain word is needed, without quotes or a comment behind it" >&2
    exit 1
  fi
  echo "$key=$value"
done
