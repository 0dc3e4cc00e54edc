#!/usr/bin/env bash
# Installs what `npm run test:cluster` and `npm run test:kernel` need besides Node.js, on Debian and what descends from it.
# Kubernetes, containerd and kernels are not installed: the tests build or fetch them into the cache folder when they need them.
set -euo pipefail

# Each with what needs it.
packages=(
  qemu-system-x86 # the machine
  ovmf            # its firmware for Secure Boot
  busybox-static  # the guest's system
  kmod            # the guest's modprobe, and depmod for its kernel
  cpio zstd       # its first file system
  xz-utils        # Debian's packages, unpacked
  e2fsprogs       # its disks
  mmdebstrap      # base of the worker image
  buildah         # the images of worker and builder
  libcap2-bin     # the builder's newuidmap
  runc            # pods of the guest's kubelet
  containernetworking-plugins # their network
)

# Versions of Go from here on fetch the one that a go.mod asks for.
oldest_go=1.21

fail() {
  echo "install-test-tools: $*" >&2
  exit 1
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "the suites with real parts run on Linux on x86-64; here npm test and npm run demo work"
command -v apt-get >/dev/null || fail "there is no apt-get here; install what belongs to these Debian packages: ${packages[*]}"

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "run this as root, or install sudo"
  as_root=(sudo)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
# The lists are needed besides: the tests ask apt for kernels.
"${as_root[@]}" apt-get update -qq || echo "install-test-tools: apt-get update failed, going on with the lists that are there" >&2
if [ ${#missing[@]} -gt 0 ]; then
  echo "install-test-tools: installing ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

go_version() { go env GOVERSION 2>/dev/null | sed 's/^go//'; }
if ! command -v go >/dev/null || [ "$(printf '%s\n' "$oldest_go" "$(go_version)" | sort -V | head -n 1)" != "$oldest_go" ]; then
  fail "everything but Go is there. Install Go $oldest_go or later from https://go.dev/dl/, or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kube-scheduler of Kubernetes 1.34 or later (the kubelet's tests need Go in any case)"
fi
echo "install-test-tools: everything is there"
