#!/bin/sh
# check.sh <programs.txt>: runs every program of that list, and Node.js. Fails when one is missing or cannot be loaded.
set -eu
status=0
run() {
  # resize2fs has no option that ends with 0: what it says has to be its own.
  if said=$("$@" 2>&1) || [ "$1 $?" = "resize2fs 1" ]; then
    printf '%-11s %s\n' "$1" "$(printf '%s' "$said" | grep -m 1 '[0-9]\.[0-9]')"
  else
    printf '%s cannot be run: %s\n' "$1" "$said" >&2
    status=1
  fi
}
while read -r package program argument; do
  case $package in '#'* | '') continue ;; esac
  [ -z "$program" ] || run "$program" "$argument"
done <"$1"
run node --version
exit $status
