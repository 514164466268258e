#!/bin/sh
# Install the system packages wenyin needs on Debian 12 or 13.
#
# usage: tools/install-system.sh [--test]
#   --test   also install what the test suite drives (Chromium, curl, Ghostscript, qpdf, Java with JAXB for
#            veraPDF, Playwright's libatomic, strace, nginx's program).
#
# Runs as root or through sudo. Idempotent: when nothing is missing it touches
# neither the network nor the package lists. The Dockerfile runs it too.
set -eu

LIBREOFFICE_MIN=25.2
FANDOL_DIR=/usr/local/share/wenyin/fonts/fandol
NGINX=/usr/local/libexec/wenyin/nginx

with_test=no
for argument in "$@"; do
    case "$argument" in
        --test) with_test=yes ;;
        *) echo "install-system.sh: unknown argument $argument" >&2; exit 2 ;;
    esac
done

say() { printf '[wenyin] %s\n' "$*"; }
fail() { printf '[wenyin] %s\n' "$*" >&2; exit 1; }

. /etc/os-release
case "${ID:-}:${VERSION_ID:-}" in
    debian:12 | debian:13) ;;
    *) fail "只支持 Debian 12 和 13，本机是 ${PRETTY_NAME:-未知系统}。(Only Debian 12 and 13 are supported.)" ;;
esac

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# Liberation 2 is a package of its own in Debian 12 and the only one in Debian 13.
if [ "$VERSION_ID" = 12 ]; then liberation=fonts-liberation2; else liberation=fonts-liberation; fi

packages="ca-certificates python3 python3-venv fontconfig poppler-utils bubblewrap
    fonts-noto-cjk fonts-lxgw-wenkai fonts-hanazono $liberation"
[ "$with_test" = no ] || packages="$packages chromium curl default-jre-headless ghostscript libatomic1 libjaxb-java qpdf strace"

missing=
for package in $packages; do
    installed "$package" || missing="$missing $package"
done

libreoffice_version=$(dpkg-query -W -f '${Version}' libreoffice-writer-nogui 2>/dev/null || true)
libreoffice_ok=no
if installed libreoffice-writer-nogui \
    && dpkg --compare-versions "$libreoffice_version" ge "4:$LIBREOFFICE_MIN"; then
    libreoffice_ok=yes
fi

fandol_ok=no
[ -f "$FANDOL_DIR/FandolFang-Regular.otf" ] && [ -f "$FANDOL_DIR/FandolKai-Regular.otf" ] && fandol_ok=yes

nginx_ok=yes
[ "$with_test" = no ] || [ -x "$NGINX" ] || nginx_ok=no

if [ -z "$missing" ] && [ "$libreoffice_ok" = yes ] && [ "$fandol_ok" = yes ] && [ "$nginx_ok" = yes ]; then
    exit 0
fi

if [ -n "$as_root" ] && ! command -v sudo >/dev/null 2>&1; then
    fail "需要 root 权限安装系统软件包：请以 root 运行，或安装 sudo。(Run as root or install sudo.)"
fi

say "安装系统软件包（首次约需几分钟）…"
apt update

# The backports suite is taken from the very mirror this machine already uses.
if [ "$VERSION_ID" = 12 ] && [ "$libreoffice_ok" = no ]; then
    targets=$(apt-get indextargets --format '$(CODENAME) $(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages')
    if ! printf '%s\n' "$targets" | grep -q "^$VERSION_CODENAME-backports "; then
        uri=$(printf '%s\n' "$targets" | awk -v suite="$VERSION_CODENAME" \
            '$1 == suite && $2 == "Debian" && $3 == "main" { print $4; exit }')
        [ -n "$uri" ] || fail "未在本机软件源中找到 $VERSION_CODENAME main，无法加入 backports。(No Debian main source configured.)"
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
        {
            printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$uri" "$VERSION_CODENAME"
            [ ! -f "$keyring" ] || printf 'Signed-By: %s\n' "$keyring"
        } | $as_root tee "/etc/apt/sources.list.d/wenyin-backports.sources" >/dev/null
        apt update
    fi
fi

if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # a list of package names
    apt install --no-install-recommends $missing
fi

if [ "$libreoffice_ok" = no ]; then
    if [ "$VERSION_ID" = 12 ]; then
        apt install --no-install-recommends -t "$VERSION_CODENAME-backports" libreoffice-writer-nogui
    else
        apt install --no-install-recommends libreoffice-writer-nogui
    fi
    libreoffice_version=$(dpkg-query -W -f '${Version}' libreoffice-writer-nogui)
    dpkg --compare-versions "$libreoffice_version" ge "4:$LIBREOFFICE_MIN" \
        || fail "LibreOffice $libreoffice_version 太旧，需要 $LIBREOFFICE_MIN 以上。(LibreOffice is too old.)"
fi

scratch=
unpack() { # package, patterns: puts the files that match into $scratch
    package=$1
    shift
    if [ -z "$scratch" ]; then
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT
    fi
    (
        cd "$scratch"
        apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$package"
        dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x --wildcards "$@"
    )
}

# Fandol is packaged with TeX only: take its files, not the 264 MB of TeX around them.
if [ "$fandol_ok" = no ]; then
    unpack texlive-lang-chinese \
        './usr/share/texlive/texmf-dist/fonts/opentype/public/fandol/*.otf' \
        './usr/share/doc/texlive-lang-chinese/copyright'
    $as_root mkdir -p "$FANDOL_DIR"
    $as_root cp "$scratch"/usr/share/texlive/texmf-dist/fonts/opentype/public/fandol/*.otf \
        "$scratch"/usr/share/doc/texlive-lang-chinese/copyright "$FANDOL_DIR/"
    $as_root chmod -R a+rX /usr/local/share/wenyin
fi

# Installed as a package, nginx would start on port 80 of this machine: take its program alone.
if [ "$nginx_ok" = no ]; then
    unpack nginx './usr/sbin/nginx'
    $as_root install -D -m 0755 "$scratch/usr/sbin/nginx" "$NGINX"
fi

say "系统软件包已就绪：LibreOffice $libreoffice_version"
