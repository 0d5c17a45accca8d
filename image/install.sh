#!/bin/sh
# install.sh <programs.txt>: installs the packages of that list, without what they only recommend, and leaves no caches.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# Security fixes since the base image was made.
apt-get upgrade --quiet=2 --yes
grep -v '^#' "$1" | cut -d' ' -f1 | sort -u | xargs apt-get install --quiet=2 --yes --no-install-recommends
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
