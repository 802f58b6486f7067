#!/bin/sh
# The browser tests drive a Chromium. Where there is none and apt may install one without asking for a password, it is
# installed; elsewhere one sentence says that the browser tests will be skipped. Always exits 0.
set -u

[ -n "${OPOSSUM_CHROMIUM:-}" ] && exit 0
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
[ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] && exit 0

skip() {
    echo "The browser tests will be skipped: $1. To run them too, install Chromium or set OPOSSUM_CHROMIUM to the path of one."
    exit 0
}

command -v apt-get >/dev/null 2>&1 || skip "there is no Chromium here, and no apt to install it with"
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    skip "there is no Chromium here, and installing it needs an administrator"
fi

echo "The browser tests need Chromium: installing Debian's with apt (once, a minute or two)."
log=$(mktemp)
# shellcheck disable=SC2086  # empty, or two words
if $as_root apt-get update >"$log" 2>&1 && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium >>"$log" 2>&1; then
    echo "Chromium is installed."
    rm -f "$log"
else
    skip "apt could not install Chromium ($(grep -m 1 '^E:' "$log" || echo "its log is $log"))"
fi
