#!/bin/sh
# warm-up.sh <directory>: keeps what V8 makes of the program's text, so that a start need not compile it. Both processes load
# all of theirs and end for want of a key and of a cluster. Node.js keeps a cache for each user, and reads only its own: the
# controller's is the image's user, the node plugin's is root. Nobody may write them afterwards.
set -eu
export NODE_COMPILE_CACHE="$1"

controller() {
  setpriv --reuid 65532 --regid 65532 --clear-groups rds-csi controller --rds-address=192.0.2.1 \
    --rds-volume-base-path=/pool/csi --rds-key-file=/none --kubeconfig=/none
}
node() {
  rds-csi node --node-id=none --state-dir=/tmp/none --kubeconfig=/none
}

mkdir -p "$1"
chmod 1777 "$1"
for process in controller node; do
  status=0
  said=$($process 2>&1) || status=$?
  # 69 where there is no NVMe/TCP, which is where images are built.
  case $status in
    69 | 78) ;;
    *) echo "$process ended with $status: $said" >&2 && exit 1 ;;
  esac
done
rm -rf /tmp/none
chown -R 0:0 "$1"
chmod -R a+rX,a-w "$1"

# What is not read would be of no use, and nobody would notice.
export NODE_DEBUG_NATIVE=COMPILE_CACHE
for process in controller node; do
  $process 2>&1 | grep -q 'was accepted' || { echo "$process does not read its compile cache" >&2 && exit 1; }
done
rm -rf /tmp/none
