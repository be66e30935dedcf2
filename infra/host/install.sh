#!/bin/bash
# Installs the release that this file lies in, or brings the host from another release to it; see install.py.
# Python: $LISTINGS_PYTHON, else python3.12.
set -euo pipefail

release="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"
cd -- "$release"
exec "${LISTINGS_PYTHON:-python3.12}" -B -m infra.host.install "$@"
