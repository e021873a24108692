# Keeps one server of PostgreSQL: makes its data, does what it is told at the pipe, and when nobody holds the
# pipe any more, ends every process of it, those that stand still too, and takes its folder away.
#
# Arguments: the folder around its own, lines for pg_hba.conf, words for initdb, what to begin with, its name as a
# standby, and then its settings.
set -e
# Whoever listened may be gone: that is an error like any, and the end.
trap '' PIPE
trap 'exit 1' HUP INT TERM
around=$1 hba=$2 initial=$3 from=$4 name=$5
shift 5
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
folder=$(mktemp -d -p "$around")
folder=$(cd "$folder" && pwd -P)
data=$folder/data
pid=
trap end EXIT

end() {
  signal KILL
  # What an earlier end of the first process has left behind.
  for process in /proc/[0-9]*; do
    if [ "$(readlink "$process/cwd")" = "$data" ]; then kill -KILL "${process#/proc/}" || true; fi
  done 2>/dev/null
  rm -rf "$folder"
}

# Whether a process is there, and not only its number.
lives() { [ -n "$1" ] && [ -d "/proc/$1/cwd/." ]; }

# To all of its processes, and first to the one that would start others.
signal() {
  lives "$pid" || return 0
  if [ "$1" = KILL ]; then kill -STOP "$pid"; fi
  children=
  read -r children <"/proc/$pid/task/$pid/children" || true
  kill "-$1" "$pid" $children 2>/dev/null || true
  [ "$1" = KILL ] || return 0
  wait "$pid" 2>/dev/null || true
  for child in $children; do while lives "$child"; do sleep 0.01; done; done
}

# The data: new ones, a base copy that lies in a folder, or those of the server whose socket is there.
fill() {
  rm -rf "$data"
  if [ -z "$1" ]; then
    "$bin/initdb" -D "$data" -U test --auth=trust --no-sync -E UTF8 --locale=C $initial >>"$folder/log" 2>&1
    if [ -n "$hba" ]; then printf '%s\n' "$hba" >"$data/pg_hba.conf"; fi
  elif [ -f "$1/PG_VERSION" ]; then
    cp -R "$1" "$data"
    : >"$data/postgresql.conf"
    : >"$data/recovery.signal"
  else
    "$bin/pg_basebackup" -h "$1" -U test -c fast --no-sync -D "$data" >>"$folder/log" 2>&1
    # Its own settings only.
    rm -f "$data/postgresql.auto.conf"
    printf "primary_conninfo='host=%s user=test application_name=%s'\n" "$1" "$2" >"$data/postgresql.conf"
    : >"$data/standby.signal"
  fi
  chmod 700 "$data"
  cat "$folder/settings" >>"$data/postgresql.conf"
}

# Whether it takes questions, by what it writes beside its data.
ready() {
  first='' last=''
  { read -r first && for line in 2 3 4 5 6 7 8; do read -r last || last=; done; } <"$data/postmaster.pid" || return 1
  [ "$first" = "$pid" ] && { [ "$last" = ready ] || [ "$last" = standby ]; }
}

begin() {
  lives "$pid" && return 0
  "$bin/postgres" -D "$data" >>"$folder/log" 2>&1 </dev/null &
  pid=$!
  for look in $(seq 3000); do
    if ready 2>/dev/null; then return 0; fi
    if ! lives "$pid"; then break; fi
    sleep 0.02
  done
  return 1
}

stop() {
  kill -INT "$pid"
  wait "$pid" 2>/dev/null || true
}

{
  printf "listen_addresses=''\nunix_socket_directories='%s'\n" "$folder"
  if [ $# -gt 0 ]; then printf '%s\n' "$@"; fi
} >"$folder/settings"
fill "$from" "$name"
begin
echo "$folder"
while read -r order of as; do
  said=done
  case $order in
    start) begin || said=failed ;;
    stop) stop ;;
    kill) signal KILL ;;
    pause) signal STOP ;;
    wake) signal CONT ;;
    follow) signal KILL && fill "$of" "$as" && begin || said=failed ;;
  esac
  echo "$said"
done
