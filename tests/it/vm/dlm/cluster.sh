# cluster MEMBERS: has this node join the cluster of /etc/corosync/corosync.conf, and waits until
# the DLM's daemon knows so many members.
# udev is not there to make the place where libdlm looks for devices.
[ -e /dev/misc ] || ln -s . /dev/misc
mkdir -p /var/lib/corosync /var/log/cluster /var/log/dlm_controld /run/dlm_controld
corosync -f >/run/corosync.log 2>&1 &
until corosync-quorumtool -s 2>/dev/null | grep -q 'Quorate: *Yes'; do sleep 0.1; done
dlm_controld --foreground >/run/dlm_controld.log 2>&1 &
echo $! >/run/dlm_controld.pid
until [ "$(dlm_tool status 2>/dev/null | grep -c '^node .* M ')" = "$1" ]; do sleep 0.1; done
