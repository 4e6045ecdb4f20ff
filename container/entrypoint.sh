#!/bin/bash
# Makes aerospike.conf from the environment and starts the server, as the stock image does.
#
#   SERVICE_ADDRESS any          SERVICE_PORT 3000      NAMESPACE test        DEFAULT_TTL 0
#   NSUP_PERIOD 120              STORAGE_GB 4           DATA_IN_MEMORY true   LOGFILE (none)
#   NETLINK eth0: the interface that is waited for, two seconds at most
#
# AERIE_PREFIX stands before every path; it is empty in the image.
set -eu

prefix=${AERIE_PREFIX:-}
template=$prefix/etc/aerospike/aerospike.template.conf
config=$prefix/etc/aerospike/aerospike.conf
data=$prefix/opt/aerospike/data

refuse() {
  echo "entrypoint: $*" >&2
  exit 2
}

# A value is one word of the configuration: nothing in it may end the line or the block.
word() {
  local value=${!1:-$2}
  case $value in
    *[[:space:]{}\#\;]*) refuse "$1 is \"$value\"; it must be one word without braces, # and ;" ;;
  esac
  printf '%s' "$value"
}

number() {
  local value
  value=$(word "$1" "$2")
  case $value in
    *[!0-9]*) refuse "$1 is \"$value\"; it must be a whole number" ;;
  esac
  printf '%s' "$value"
}

make_config() {
  local text service_address service_port namespace storage_gb default_ttl nsup_period logfile in_memory
  text=$(cat "$template")
  service_address=$(word SERVICE_ADDRESS any)
  service_port=$(number SERVICE_PORT 3000)
  namespace=$(word NAMESPACE test)
  storage_gb=$(number STORAGE_GB 4)
  default_ttl=$(word DEFAULT_TTL 0)
  nsup_period=$(word NSUP_PERIOD 120)
  logfile=$(word LOGFILE "")
  in_memory=$(word DATA_IN_MEMORY true)

  local logfile_sink="" ttl_line="" nsup_line="" engine lines
  [ -z "$logfile" ] || logfile_sink="file $logfile {
		context any info
	}"
  [ "$default_ttl" = 0 ] || ttl_line="default-ttl $default_ttl"
  [ "$nsup_period" = 0 ] || nsup_line="nsup-period $nsup_period"
  case $in_memory in
    true) engine=memory lines="data-size ${storage_gb}G" ;;
    false) engine=device lines="file $data/$namespace.dat
		filesize ${storage_gb}G" ;;
    *) refuse "DATA_IN_MEMORY is \"$in_memory\"; it must be true or false" ;;
  esac

  text=${text//'${DATA_DIRECTORY}'/"$data"}
  text=${text//'${LOGFILE_SINK}'/"$logfile_sink"}
  text=${text//'${SERVICE_ADDRESS}'/"$service_address"}
  text=${text//'${SERVICE_PORT}'/"$service_port"}
  text=${text//'${NAMESPACE}'/"$namespace"}
  text=${text//'${DEFAULT_TTL_LINE}'/"$ttl_line"}
  text=${text//'${NSUP_PERIOD_LINE}'/"$nsup_line"}
  text=${text//'${STORAGE_ENGINE}'/"$engine"}
  text=${text//'${STORAGE_LINES}'/"$lines"}
  printf '%s\n' "$text" >"$config"
}

# The interface may come up after the container has started.
await_network() {
  local link=${NETLINK:-eth0} tries=0
  while [ "$tries" -lt 20 ] && [ -d /sys/class/net ] && [ -e "/sys/class/net/$link" ] &&
    [ "$(cat "/sys/class/net/$link/operstate" 2>/dev/null)" != up ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
}

# A configuration that is there already, mounted or made at an earlier start, stays.
if [ -f "$template" ]; then
  make_config
  rm -f "$template" 2>/dev/null || true
fi

case ${1:-asd} in
  -*) set -- asd "$@" ;;
  asd) [ $# -gt 0 ] || set -- asd ;;
  *) exec "$@" ;;
esac

await_network
exec "$@" --fgdaemon
