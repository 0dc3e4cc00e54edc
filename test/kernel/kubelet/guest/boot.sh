#!/bin/sh
# Makes the machine a node: what systemd and a cluster's installer do elsewhere. It joins when it is told to which cluster.

# Process 1 and its children may be in no group that has controllers for others.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/machine
while read -r process; do
  echo "$process" >/sys/fs/cgroup/machine/cgroup.procs 2>/dev/null
done </sys/fs/cgroup/cgroup.procs
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done

for module in veth iptable_nat xt_MASQUERADE xt_tcpudp; do
  modprobe "$module" || echo "kmm-node: the module $module cannot be loaded"
done
echo 1 >/proc/sys/net/ipv4/ip_forward
xtables-legacy-multi iptables-restore </etc/kmm-node/masquerade

# containerd cannot keep its snapshots on the overlay that is our root.
for name in containerd kubelet; do
  kept=/run/kmm/disk/node/$name
  if [ ! -d "$kept" ]; then
    mkdir -p "$kept"
    if [ -d "/usr/share/kmm-node/$name" ]; then cp -a "/usr/share/kmm-node/$name/." "$kept/"; fi
  fi
  mkdir -p "/var/lib/$name"
  mount --bind "$kept" "/var/lib/$name"
done
mkdir -p /var/log/pods /run/cni
mount --make-rshared /

# Each goes on until the machine ends, and starts again whatever becomes of it.
(
  while :; do
    containerd --config /etc/kmm-node/containerd.toml >>/run/containerd.log 2>&1
    sleep 0.2
  done
) &
(
  while :; do
    if [ -f /etc/kubernetes/arguments ]; then
      # shellcheck disable=SC2046 # one argument a word
      kubelet $(cat /etc/kubernetes/arguments) >>/run/kubelet.log 2>&1
    fi
    sleep 0.2
  done
) &
