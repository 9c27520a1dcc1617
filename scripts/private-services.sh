# Starts private servers for the tests, on free loopback ports, under one temporary folder. Sourced by scripts/test.
# Nothing here touches the system's own broker: own node name, ports, cookie, data and name service.

free_port() {
  # The kernel names a port that is free now; the servers bind it at once.
  python3 - 2>/dev/null <<'P' || perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1")->sockport'
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])
P
}

wait_for() { # wait_for SECONDS WHAT COMMAND…
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then echo "$what did not come up in time" >&2; return 1; fi
    sleep 0.2
  done
}

# A port that a server keeps, so that it comes back where it was.
kept_port() { # kept_port FILE
  [ -e "$1" ] || free_port >"$1"
  cat "$1"
}

rabbitmq_paths() {
  local dir="$SERVICES_DIR/rabbitmq"
  mkdir -p "$dir/home"
  RABBITMQ_PORT=$(kept_port "$dir/port")
  [ -e "$dir/name" ] || echo "afterglow-test-$$@localhost" >"$dir/name"
  export RABBITMQ_HOME_DIR="$dir/home"
  RABBITMQ_ENV=(
    HOME="$dir/home"
    ERL_EPMD_PORT="$(kept_port "$dir/epmd-port")" ERL_EPMD_ADDRESS=127.0.0.1
    RABBITMQ_NODENAME="$(cat "$dir/name")"
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$RABBITMQ_PORT" RABBITMQ_DIST_PORT="$(kept_port "$dir/dist-port")"
    RABBITMQ_MNESIA_BASE="$dir/data" RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_PID_FILE="$dir/pid"
    RABBITMQ_CONFIG_FILE="$dir/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/plugins"
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
  )
}

start_rabbitmq() {
  rabbitmq_paths
  local dir="$SERVICES_DIR/rabbitmq"
  echo 'disk_free_limit.absolute = 50MB' >"$dir/rabbitmq.conf"
  echo '[].' >"$dir/plugins"
  # Not the wrapper in /usr/sbin, which changes to the system's own broker's user.
  env "${RABBITMQ_ENV[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server >"$dir/out" 2>&1 </dev/null &
  RABBITMQ_PID=$!
  if ! wait_for 90 RabbitMQ env "${RABBITMQ_ENV[@]}" /usr/lib/rabbitmq/bin/rabbitmqctl await_startup --timeout 5; then
    tail -n 40 "$dir/out" >&2
    return 1
  fi
  export AFTERGLOW_TEST_AMQP_URL="amqp://guest:guest@127.0.0.1:$RABBITMQ_PORT"
}

stop_rabbitmq() {
  env "${RABBITMQ_ENV[@]}" /usr/lib/rabbitmq/bin/rabbitmqctl shutdown --timeout 20 >/dev/null 2>&1
}

# PostgreSQL refuses to run as root; then the user that its package makes runs it.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

postgres_paths() {
  local dir="$SERVICES_DIR/postgres"
  POSTGRES_BIN=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  mkdir -p "$dir"
  POSTGRES_PORT=$(kept_port "$dir/port")
  POSTGRES_DATA=$dir/data
}

# AFTERGLOW_TEST_POSTGRES_OPTIONS: more settings, to look closer, such as "-c shared_preload_libraries=pg_stat_statements".
start_postgres() {
  postgres_paths
  local dir="$SERVICES_DIR/postgres"
  chmod 711 "$SERVICES_DIR"
  [ "$(id -u)" != 0 ] || chown postgres:postgres "$dir"
  (
    cd "$dir"
    [ -e "$POSTGRES_DATA" ] || as_postgres "$POSTGRES_BIN/initdb" -D "$dir/data" -U afterglow -A trust --no-sync >"$dir/out" 2>&1
    as_postgres "$POSTGRES_BIN/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" \
      -o "-p $POSTGRES_PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c max_connections=200 ${AFTERGLOW_TEST_POSTGRES_OPTIONS:-}" start >>"$dir/out" 2>&1
  ) || { cat "$dir/out" >&2; return 1; }
  export AFTERGLOW_TEST_DATABASE_URL="postgres://afterglow@127.0.0.1:$POSTGRES_PORT/postgres"
}

stop_postgres() {
  (cd "$POSTGRES_DATA" && as_postgres "$POSTGRES_BIN/pg_ctl" -D "$POSTGRES_DATA" -m fast stop >/dev/null 2>&1)
}

stop_services() {
  [ -z "${POSTGRES_DATA:-}" ] || stop_postgres || true
  if [ -n "${RABBITMQ_PID:-}" ]; then
    stop_rabbitmq || kill "$RABBITMQ_PID" 2>/dev/null || true
    wait "$RABBITMQ_PID" 2>/dev/null || true
    env "${RABBITMQ_ENV[@]}" epmd -kill >/dev/null 2>&1 || true # the private name service: its own port
  fi
  [ -z "${SERVICES_DIR:-}" ] || rm -rf "$SERVICES_DIR"
}
