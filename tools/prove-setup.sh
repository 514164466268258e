#!/usr/bin/env bash
# Prove the two commands of the README on a Debian that has git and make and nothing else.
#
# usage: tools/prove-setup.sh bookworm|trixie FOLDER [run|test|all]
#
# Builds the system in FOLDER with debootstrap, clones this checkout's HEAD into it, and there follows the
# README to the letter: `make run`, then each of its other commands up to a verified PDF, then `make test`.
# Needs root, debootstrap, curl. Takes the Debian mirror and pip's settings from this machine.
set -euo pipefail

suite=${1:?usage: prove-setup.sh bookworm|trixie FOLDER [run|test|all]}
root=$(realpath -m "${2:?folder}")
what=${3:-all}
source_dir=$(cd "$(dirname "$0")/.." && pwd)
port=18000
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" { print $2; exit }')

if [ ! -x "$root/usr/bin/git" ]; then
    debootstrap --variant=minbase --include=git,make "$suite" "$root" "$mirror" >/dev/null
fi

mounted=()
cleanup() {
    [ -z "${server:-}" ] || { kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    for point in "${mounted[@]}"; do umount -l "$point" || true; done
}
trap cleanup EXIT
for point in proc sys dev; do
    mount --rbind "/$point" "$root/$point"
    mount --make-rslave "$root/$point"
    mounted+=("$root/$point")
done
cp /etc/resolv.conf "$root/etc/resolv.conf"

enter=(chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
if [ -f "${PIP_CERT:-}" ]; then
    install -D "$PIP_CERT" "$root/root/pip-ca.crt"
    enter+=(PIP_CERT=/root/pip-ca.crt)
fi

rm -rf "$root/srv/wenyin"
git clone -q --no-local "$source_dir" "$root/srv/wenyin"

timed() { # label command...
    local label=$1 begun=$SECONDS
    shift
    "$@"
    printf '[prove] %s on %s: %d s\n' "$label" "$suite" $((SECONDS - begun))
}

serve() {
    "${enter[@]}" WENYIN_PORT=$port make -C /srv/wenyin run >"$root/srv/serve.log" 2>&1 &
    server=$!
    until curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do
        kill -0 "$server" 2>/dev/null || { cat "$root/srv/serve.log"; exit 1; }
        sleep 1
    done
}

stop() {
    kill -TERM "$(cat "/proc/$server/task/$server/children")" 2>/dev/null || kill -TERM "$server"
    wait "$server" || true
    server=
}

# Every line of the README's sh blocks but the two make commands. curl asks from outside: the service has an address,
# and a bare Debian no curl.
follow_readme() {
    local line
    while read -r line; do
        line=${line//127.0.0.1:8000/127.0.0.1:$port}
        case "$line" in
            make*) continue ;;
            curl*) (cd "$root/srv/wenyin" && eval "$line") ;;
            *) "${enter[@]}" sh -c "cd /srv/wenyin && WENYIN_PORT=$port $line" ;;
        esac
    done < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$root/srv/wenyin/README.md")
    head -c 5 "$root/srv/wenyin/notice.pdf" | grep -q '%PDF-'
}

if [ "$what" != test ]; then
    begun_all=$SECONDS
    timed 'first make run until ready' serve
    timed "the README's other commands" follow_readme
    printf '[prove] fresh clone to verified PDF on %s: %d s\n' "$suite" $((SECONDS - begun_all))
    stop
    timed 'second make run until ready' serve
    stop
fi
if [ "$what" != run ]; then
    timed 'make test' "${enter[@]}" CI=true make -C /srv/wenyin test PYTEST_ARGS='-n 2 --dist loadscope'
fi
