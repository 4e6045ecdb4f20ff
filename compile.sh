#!/usr/bin/env bash
# Makes the executable.
#
#   ./compile.sh                  dist/aerie, with Deno inside, for this platform
#   ./compile.sh --target T       the same for another platform, for example aarch64-unknown-linux-gnu
#   ./compile.sh --node           dist/aerie.mjs (a bundle for Node) and dist/aerie-node (with Node inside)
#
# What goes into an executable is a bundle, dist/deno or dist/aerie.mjs: it takes less memory and starts earlier than
# hundreds of small files. The first two need Deno's runtime base binary ("denort") of the same version. Deno fetches
# it from its download site; DENORT_BIN=FILE names one that is here already.
set -eu
cd "$(dirname "$0")"

version=$(cat tools/deno_version)
size_max_bytes=100000000

usage() {
  sed -n '2,11s/^# \{0,1\}//p' "$0"
}

# The pinned Deno: the one on the path when it is that version, else the package.
deno() {
  if [ "$(command deno --version 2>/dev/null | sed -n '1s/^deno \([^ ]*\).*/\1/p')" = "$version" ]; then
    command deno "$@"
  else
    npx --yes "deno@$version" "$@"
  fi
}

target=
node=
while [ $# -gt 0 ]; do
  case $1 in
    --target) [ $# -ge 2 ] || { echo "compile.sh: --target needs a value" >&2; exit 2; }; target=$2; shift 2 ;;
    --target=*) target=${1#--target=}; shift ;;
    --node) node=yes; shift ;;
    -h|--help) usage; exit 0 ;;
    *) echo "compile.sh: unknown argument \"$1\"" >&2; usage >&2; exit 2 ;;
  esac
done

if [ -n "$node" ]; then
  [ -z "$target" ] || { echo "compile.sh: --node builds for this platform only; drop --target" >&2; exit 2; }
  deno run -A tools/build_node.ts --executable
  exit
fi

if [ -n "${DENORT_BIN:-}" ] && [ ! -f "$DENORT_BIN" ]; then
  echo "compile.sh: DENORT_BIN names \"$DENORT_BIN\", which is not a file" >&2
  exit 1
fi

# The permissions that a node needs: its listeners and peers, its configuration and data wherever they are, the
# environment's AERIE_ names, and the machine's interfaces, name and memory. What it runs is itself, for --nodes; no
# library is loaded. deno.json is left aside: by it, what is imported at its first use would not be put in.
output=dist/aerie${target:+-$target}
case $target in *windows*) output=$output.exe ;; esac
mkdir -p dist
deno run -A --frozen tools/build_deno.ts
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
if ! deno compile --no-config --no-prompt --allow-net --allow-read --allow-write --allow-env --allow-sys --allow-run \
  --v8-flags=--max-semi-space-size=2 \
  ${target:+--target "$target"} --output "$output" dist/deno/aerie.js 2>"$errors"; then
  cat "$errors" >&2
  if grep -q -i 'denort\|dl\.deno\|download' "$errors"; then
    cat >&2 <<END

compile.sh: there is no base binary to build on. deno compile needs "denort" $version for ${target:-this platform}; it is
neither named by DENORT_BIN, nor in Deno's cache, nor could it be fetched from Deno's download site. Do one of these:
  - where the download site can be reached, run this script again;
  - set DENORT_BIN to a denort $version that you have;
  - ./compile.sh --node makes one executable with Node instead, from npm packages alone.
END
  fi
  exit 1
fi
cat "$errors" >&2

# An ordinary deno in place of denort gives a file that acts as the Deno command line.
if [ -z "$target" ] && ! "$output" version 2>/dev/null | grep -q -i aerie; then
  echo "compile.sh: $output does not answer \`version\`; is DENORT_BIN an ordinary deno instead of denort?" >&2
  exit 1
fi

size_bytes=$(wc -c <"$output")
echo "$output: $((size_bytes / 1000000)) MB"
if [ "$size_bytes" -gt "$size_max_bytes" ]; then
  echo "compile.sh: $output has $size_bytes bytes; the limit is $size_max_bytes" >&2
  exit 1
fi
