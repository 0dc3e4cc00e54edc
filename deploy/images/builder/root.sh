#!/bin/sh
# Writes the builder's file system: root.sh root.tar. Needs mmdebstrap and setcap (Debian's packages mmdebstrap and libcap2-bin).
set -eu
out=$1
packages=$(paste -sd, "$(dirname "$0")/packages.txt")
# shellcheck disable=SC2016 # $1 is the hook's
exec mmdebstrap --quiet --variant=extract --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/*' \
  --dpkgopt='path-include=/usr/share/ca-certificates/*' \
  --dpkgopt='path-include=/usr/share/containers/*' \
  --dpkgopt='path-exclude=/usr/lib/cni/*' \
  --dpkgopt='path-exclude=*perl*' \
  --extract-hook='cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"' \
  --extract-hook='chmod u-s "$1/usr/bin/newuidmap" "$1/usr/bin/newgidmap"' \
  --extract-hook='setcap cap_setuid=ep "$1/usr/bin/newuidmap"' \
  --extract-hook='setcap cap_setgid=ep "$1/usr/bin/newgidmap"' \
  bookworm "$out"
