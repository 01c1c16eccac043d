#!/bin/sh
# Like the official one: flags alone are mongod's, and the server is not root's.
set -e
case "$1" in -*) set -- mongod "$@" ;; esac
if [ "$1" != mongod ] || [ "$(id -u)" != 0 ]; then exec "$@"; fi
chown -R mongodb:mongodb /data/db
exec setpriv --reuid=mongodb --regid=mongodb --clear-groups "$@"
