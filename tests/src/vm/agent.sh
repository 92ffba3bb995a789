#!/bin/busybox sh
# The first process of a machine under test. It mounts what a program expects, loads the modules,
# and runs the commands that come in on the second serial port, one a line, until there is no
# more power. What it answers is read by channel.rs.
export PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir /run/job /run/lock
while read -r module; do insmod "/modules/$module.ko"; done </modules/order
[ -d /sys/kernel/config ] && mount -t configfs configfs /sys/kernel/config

for word in $(cat /proc/cmdline); do
    case $word in
    vm.name=*) hostname "${word#*=}" ;;
    vm.address=*) address=${word#*=} ;;
    vm.share=*) mkdir -p "${word#*=}" && mount -t 9p -o trans=virtio,version=9p2000.L share "${word#*=}" ;;
    esac
done
ip link set lo up
if [ -n "$address" ]; then
    ip link set eth0 up
    ip address add "$address" dev eth0
fi

# job NUMBER COMMAND: runs it in the background and prints the process's id. Its output and its
# status go to files, and then a fifo lets through whoever waits. A fifo is opened for both ways,
# which does not block: where a child's end interrupts an open, this shell gives up.
job() {
    mkfifo "/run/job/$1" "/run/job/$1.started"
    exec 6<>"/run/job/$1.started"
    {
        (eval "$2") >"/run/job/$1.out" 2>&1 </dev/null 3<&- 4>&- 5<&- 6<&- &
        echo $! >&6
        exec 6<&-
        wait $!
        echo $? >"/run/job/$1.status"
        echo >"/run/job/$1"
    } &
    read -r pid <&6
    echo "$pid"
}

# await NUMBER SECONDS: prints a job's output and returns its status.
await() {
    [ -s "/run/job/$1.status" ] || read -r -t "$2" _ <>"/run/job/$1"
    cat "/run/job/$1.out"
    return "$(cat "/run/job/$1.status")"
}

stty -F /dev/ttyS1 raw -echo
exec 5</dev/null 3</dev/ttyS1 4>/dev/ttyS1
printf '@@0 0@@' >&4
while read -r number length line <&3; do
    # A serial port can lose bytes when the host is busy.
    if [ ${#line} != "$length" ]; then
        printf '@@again@@' >&4
        continue
    fi
    line=$(printf '%b' "$line")
    (eval "$line") >&4 2>&1 <&5 3<&-
    printf '@@%s %s@@' "$number" $? >&4
done
