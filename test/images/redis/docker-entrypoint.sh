#!/bin/sh
# Like the official one: flags alone are redis-server's, the server is not root's, and containers of a network may ask it.
set -e
case "$1" in -* | *.conf) set -- redis-server "$@" ;; esac
[ "$1" = redis-server ] || exec "$@"
set -- "$@" --protected-mode no
[ "$(id -u)" != 0 ] && exec "$@"
chown -R redis:redis .
exec setpriv --reuid=redis --regid=redis --clear-groups "$@"
