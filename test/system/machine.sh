#!/bin/sh
# The inside of machine.ts: makes a root of our own over the machine's, in namespaces of our own, and runs systemd there as process 1.
# machine.sh DIRECTORY REPOSITORY NODE [UNIT…]; what is written goes to a tmpfs and is gone with the namespace.
set -e
directory=$1 repository=$2 node=$3
root=$directory/root

mount --make-rprivate /
mount -t tmpfs tmpfs "$directory"
mkdir "$directory/upper" "$directory/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$root"

mount -t proc proc "$root/proc"
# systemd sets what belongs to the whole kernel when it boots a machine.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
if grep -q ' /sys/fs/cgroup [^ ]* [^-]*- cgroup2 ' /proc/self/mountinfo; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd,xattr cgroup "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# tally is installed for everybody.
mkdir -p "$root/opt/tally" "$root/run/units"
mount --bind "$repository" "$root/opt/tally"
touch "$root/opt/node"
mount --bind "$node" "$root/opt/node"
for program in tallyd:daemon/main.ts tally:client/cli/main.ts; do
  printf '#!/bin/sh\nexec /opt/node /opt/tally/%s "$@"\n' "${program#*:}" > "$root/usr/local/bin/${program%%:*}"
  chmod 755 "$root/usr/local/bin/${program%%:*}"
done

# Of the machine's own units nothing is to start: only what has these names is known.
for target in sysinit basic sockets paths timers slices local-fs network shutdown umount final multi-user ours; do
  printf '[Unit]\nDefaultDependencies=no\n' > "$root/run/units/$target.target"
done

# On every machine something was sandboxed before a user comes, such as logind: the directory that this makes the users' managers need, too.
printf '[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nPrivateTmp=yes\nExecStart=/bin/true\n' > "$root/run/units/sandboxed.service"
printf 'Wants=sandboxed.service\nAfter=sandboxed.service\n' >> "$root/run/units/ours.target"

mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
exec env -i container=tally-test SYSTEMD_UNIT_PATH=/run/units PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
  /lib/systemd/systemd --system --unit=ours.target --log-target=null --show-status=no
