#!/usr/bin/env bash
# Makes an administrator: bin/create_admin.sh EMAIL PASSWORD
# The password goes on by standard input, so that no other process than this one shows it.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$#" -ne 2 ]; then
    echo "usage: $0 EMAIL PASSWORD" >&2
    exit 2
fi
if command -v uv >/dev/null; then run=(uv run ecg); else run=(ecg); fi
printf '%s\n' "$2" | "${run[@]}" users create-admin -- "$1"
