/** Role of a machine's disk, as the first word of its serial number, by which the guest's init finds it. */
export const diskRole = { layer: 'layer', modules: 'modules', data: 'data' } as const

/**
 * Process 1 of the first file system, run by busybox: loads the drivers, lays the node's root together and enters it. The
 * lower layers are read-only disks; what is written goes to the data disk and so outlives a reboot.
 */
export const firstInit = `#!/bin/busybox sh
b=/bin/busybox
fail() { echo "kmm-guest: $*"; $b sleep 1; $b poweroff -f; }
$b mkdir -p /proc /sys /dev /layers /modules /data /node
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
while read -r module; do
  $b insmod "/drivers/$module" || fail "the driver $module cannot be loaded"
done < /drivers/order
lower=
for disk in /sys/block/vd*; do
  [ -e "$disk/serial" ] || continue
  serial=$($b cat "$disk/serial")
  device=/dev/\${disk##*/}
  case "$serial" in
    layer-*)
      $b mkdir "/layers/$serial"
      $b mount -t ext4 -o ro "$device" "/layers/$serial" || fail "the disk $serial cannot be mounted"
      lower="/layers/$serial\${lower:+:$lower}" ;;
    modules) $b mount -t ext4 -o ro "$device" /modules || fail "the disk of modules cannot be mounted" ;;
    data) $b mount -t ext4 "$device" /data || fail "the data disk cannot be mounted" ;;
  esac
done
[ -n "$lower" ] || fail "there is no disk with a root"
$b mkdir -p /data/root /data/root.work /data/modules /data/modules.work
$b mount -t overlay -o "lowerdir=$lower,upperdir=/data/root,workdir=/data/root.work" overlay /node || fail "no root"
$b mount -t overlay -o "lowerdir=/modules,upperdir=/data/modules,workdir=/data/modules.work" overlay /node/lib/modules || fail "no modules"
$b mount -t tmpfs -o mode=755 tmpfs /node/run
$b mkdir -p /node/run/kmm/image /node/run/kmm/disk
$b mount --bind /layers/layer-0 /node/run/kmm/image
$b mount --bind /data /node/run/kmm/disk
$b cp /guest/* /node/run/kmm/
for folder in proc sys dev; do $b mount --move "/$folder" "/node/$folder"; done
exec $b switch_root /node /run/kmm/init
`

/** Process 1 of the node: the rest of the system, what layers want run at boot, then the agent, again and again. */
export const nodeInit = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
for event in module_load module_free; do echo 1 > "/sys/kernel/tracing/events/module/$event/enable"; done
ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
  ip link set eth0 up
  ip address add 10.0.2.15/24 dev eth0
  ip route add default via 10.0.2.2
fi
for program in /etc/kmm-guest/boot.d/*; do
  [ -x "$program" ] && "$program"
done
while :; do
  UV_THREADPOOL_SIZE=8 node /run/kmm/agent.js
  echo "kmm-guest: the agent ended with status $?"
  sleep 1
done
`

/**
 * Starts a container in the guest: `container.sh ro|rw FOLDER WORDS…`, in a mount namespace of its own, so that all mounts go
 * with it. The file FOLDER/mounts has a line for each mount: kind (bind or tmpfs), ro or rw, source, target, with tabs between.
 */
export const containerScript = `#!/bin/sh
set -e
access=$1 folder=$2
shift 2
root=$folder/root
mount --make-rprivate /
rm -rf "$folder/upper" "$folder/work"
mkdir -p "$root" "$folder/upper" "$folder/work"
mount -t overlay -o "lowerdir=/run/kmm/image,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"
tab=$(printf '\\t')
while IFS=$tab read -r kind mode source target; do
  at=$root$target
  if [ "$kind" = tmpfs ]; then
    mkdir -p "$at"
    mount -t tmpfs -o mode=755 tmpfs "$at"
    continue
  fi
  if [ -d "$source" ]; then mkdir -p "$at"; else mkdir -p "\${at%/*}"; [ -e "$at" ] || : > "$at"; fi
  mount --rbind "$source" "$at"
  [ "$mode" = rw ] || mount -o remount,bind,ro "$(realpath "$at")"
done < "$folder/mounts"
[ "$access" = rw ] || mount -o remount,ro "$root"
exec chroot "$root" "$@"
`

/**
 * Gives a restored machine a new identity: \`wake.sh SECONDS BOOTID\`, with random bytes on standard input. The kernel keeps
 * the boot ID that it was saved with; what reads it sees the new one, which is mounted over it.
 */
export const wakeScript = `#!/bin/sh
set -e
date -s "@$1" > /dev/null
cat > /dev/urandom
echo "$2" > /run/kmm/boot_id
mount --bind /run/kmm/boot_id /proc/sys/kernel/random/boot_id
`
