#!/bin/sh
# The network plugin: a link to the machine, and in the pod's network 127.0.0.1:PORT of the registry leads to the same
# registry as on the machine that runs the operator, so that an image has one name for all.
/usr/lib/cni/ptp
status=$?
if [ "$CNI_COMMAND" = ADD ] && [ "$status" = 0 ] && [ -f /etc/kmm-node/relay ]; then
  # shellcheck disable=SC2016 # the inner shell's
  nsenter --net="$CNI_NETNS" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
    xtables-legacy-multi iptables-restore </etc/kmm-node/relay' >&2
fi
exit "$status"
