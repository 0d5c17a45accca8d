#!/bin/sh
# Cuts a snapshot of a claim, and deletes the oldest of the ready ones beyond the number to keep. Snapshots that are not ready
# are neither counted nor deleted. Any failure of kubectl ends the run before anything more is deleted.
set -eu

: "${PVC:?name of the claim}" "${SCHEDULE:?name of the schedule}" "${CLASS:?name of the VolumeSnapshotClass}"
: "${KEEP:?number of ready snapshots to keep}"

case $KEEP in
  '' | *[!0-9]* | 0*)
    echo "KEEP is '$KEEP': it must be a whole number, 1 or more" >&2
    exit 2
    ;;
esac

for word in "$PVC" "$SCHEDULE" "$CLASS"; do
  case $word in
    *[!a-z0-9.-]*)
      echo "'$word' is no name of a Kubernetes object" >&2
      exit 2
      ;;
  esac
done

labels="app.kubernetes.io/managed-by=rds-csi-snapshot-scheduler"
labels="$labels,rds-csi.srvlab.io/schedule=$SCHEDULE,rds-csi.srvlab.io/pvc=$PVC"
name="$SCHEDULE-$(date -u +%Y%m%d-%H%M%S)"

kubectl get persistentvolumeclaim "$PVC" --output=name > /dev/null

kubectl create --filename=- << YAML
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata:
  name: $name
  labels:
    app.kubernetes.io/managed-by: rds-csi-snapshot-scheduler
    rds-csi.srvlab.io/schedule: $SCHEDULE
    rds-csi.srvlab.io/pvc: $PVC
spec:
  volumeSnapshotClassName: $CLASS
  source:
    persistentVolumeClaimName: $PVC
YAML

# One line each: creation time, readiness, claim, name. The times are all of one form, so that they sort as text.
format='{range .items[*]}{.metadata.creationTimestamp}{" "}{.status.readyToUse}{" "}'
format="$format"'{.spec.source.persistentVolumeClaimName}{" "}{.metadata.name}{"\n"}{end}'
list=$(kubectl get volumesnapshot --selector="$labels" --output=jsonpath="$format")

ready=$(printf '%s\n' "$list" | awk -v pvc="$PVC" 'NF == 4 && $2 == "true" && $3 == pvc' | sort -r)
printf '%s\n' "$ready" | awk -v keep="$KEEP" 'NF == 4 && NR > keep { print $4 }' | while read -r old; do
  kubectl delete volumesnapshot "$old" --wait=false
done
