"""PostgreSQL's statistics from a real server: counted, read-only, and absent when it is down."""

import psycopg
import pytest

from exporters.system import databases
from exporters.system.databases import DOWN, PostgresProbe
from exporters.system.settings import Database
from tests.exporters.lines import values
from tests.exporters.running import exporter, until
from tests.postgres import NoPostgresError, Postgres


@pytest.fixture(scope="module")
def server():
    try:
        postgres = Postgres()
    except NoPostgresError as none:
        pytest.skip(str(none))
    postgres.start()
    yield postgres
    postgres.remove()


@pytest.fixture
def probe_of():
    probes = []

    def make(url, timeout=5.0):
        probes.append(PostgresProbe(Database(name="d", conninfo=url), timeout))
        return probes[-1]

    yield make
    for probe in probes:
        probe.close()


def plain(url):
    return url.replace("postgresql+psycopg://", "postgresql://")


def shown(probe):
    return values(databases.families([("d", probe.look())]))


@pytest.mark.stack
def test_transactions_rows_size_and_connections_are_those_of_the_server(server, probe_of):
    url = server.new_database()
    probe = probe_of(url)
    before = shown(probe)
    assert before["database_up{d}"] == 1
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
        connection.execute("DELETE FROM t WHERE n <= 100")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 1 / 0")
        connection.execute("SELECT pg_stat_force_next_flush()")

    def counted():
        seen = shown(probe)
        return seen if seen["database_rows_total{d,deleted}"] == 100 else None

    seen = until(counted, "the statistics")
    inserted = seen["database_rows_total{d,inserted}"] - before["database_rows_total{d,inserted}"]
    assert 1000 <= inserted < 1100  # a few of them into the catalogue
    assert seen["database_transactions_total{d,committed}"] > before["database_transactions_total{d,committed}"]
    assert seen["database_transactions_total{d,rolled_back}"] >= 1
    assert seen["database_size_bytes{d}"] > 1_000_000
    assert 0 < seen["database_cache_hit_ratio{d}"] <= 1
    assert seen["database_connections{d,active}"] >= 1
    assert not any("replication" in name for name in seen)


@pytest.mark.stack
def test_locks_are_counted_by_mode(server, probe_of):
    url = server.new_database()
    probe = probe_of(url)
    assert shown(probe)["database_locks{d,AccessExclusiveLock}"] == 0
    with psycopg.connect(plain(url)) as connection:
        connection.execute("CREATE TABLE t (n int)")
        connection.commit()
        connection.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        seen = shown(probe)
        assert seen["database_locks{d,AccessExclusiveLock}"] >= 1
        assert seen["database_connections{d,idle in transaction}"] == 1


@pytest.mark.stack
def test_the_connection_cannot_write_and_does_not_wait_for_long(server, probe_of):
    probe = probe_of(server.new_database(), 0.3)
    probe.look()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        probe._connection.execute("CREATE TABLE t (n int)")
    with pytest.raises(psycopg.errors.QueryCanceled):
        probe._connection.execute("SELECT pg_sleep(5)")


@pytest.mark.stack
def test_a_server_that_stops_is_down_and_nothing_else_is_known_until_it_is_back(server, tmp_path):
    asked = {"name": "d", "conninfo": server.new_database()}
    config = {"system": {"listen": {"port": 0}, "databases": [asked], "database_seconds": 0.05}}
    with exporter("system", config, tmp_path) as running:
        running.wait_for('database_up{database="d"}', 1)
        assert 'database_size_bytes{database="d"}' in running.samples()
        server.stop()
        running.wait_for('database_up{database="d"}', 0)
        assert [name for name in running.samples() if name.startswith("database_")] == ['database_up{database="d"}']
        server.start()
        running.wait_for('database_up{database="d"}', 1)
        assert running.samples()['database_size_bytes{database="d"}'] > 0
        assert "andon-pg" not in str(running.log)  # where the server is stays out of the log


def test_what_is_known_is_shown_and_what_is_not_is_absent():
    sight = databases.DatabaseSight(
        up=True,
        transactions={"committed": 5.0, "rolled_back": 0.0},
        rows={"inserted": 7.0},
        cache_hit_ratio=None,
        locks={"ShareLock": 0.0},
        lags={"standby": 1.5},
        size_bytes=8.0,
        connections={"idle": 2.0},
    )
    seen = values(databases.families([("d", sight), ("nobody asked", None)]))
    assert seen == {
        "database_up{d}": 1,
        "database_transactions_total{d,committed}": 5,
        "database_transactions_total{d,rolled_back}": 0,
        "database_rows_total{d,inserted}": 7,
        "database_locks{d,ShareLock}": 0,
        "database_replication_lag_seconds{d,standby}": 1.5,
        "database_size_bytes{d}": 8,
        "database_connections{d,idle}": 2,
    }


def test_cache_hits_are_of_the_time_between_looks(probe_of):
    probe = probe_of("host=nowhere.invalid")
    assert probe._hits(90.0, 10.0) == 0.9  # since the statistics began
    assert probe._hits(100.0, 40.0) == 0.25  # 10 of 40 since
    assert probe._hits(5.0, 5.0) == 0.5  # they were reset
    assert probe._hits(5.0, 5.0) is None


def test_nobody_there_is_down():
    probe = PostgresProbe(Database(name="d", conninfo="host=127.0.0.1 port=1 dbname=x user=x"), 1.0)
    assert probe.look() == DOWN
    assert shown(probe) == {"database_up{d}": 0}


def test_a_password_file_that_is_empty_or_missing_is_said(tmp_path):
    with pytest.raises(OSError, match="missing"):
        PostgresProbe(Database(name="d", conninfo="host=h", password_file=tmp_path / "missing"), 1.0)
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty"):
        PostgresProbe(Database(name="d", conninfo="host=h", password_file=tmp_path / "empty"), 1.0)


@pytest.mark.stack
def test_a_replica_that_does_not_replay_is_behind_and_catches_up(server, probe_of):
    url = server.new_database()
    folder = server.folder
    server._run("pg_basebackup", "-h", str(folder), "-U", "andon", "-D", "standby", "-R", "-X", "stream", "-c", "fast")
    file = folder / "standby" / "postgresql.auto.conf"
    file.write_text(file.read_text().replace("user=andon", "user=andon application_name=second"))
    options = f"-c listen_addresses='' -c unix_socket_directories={folder}/standby -c fsync=off"
    server._run("pg_ctl", "-D", "standby", "-w", "-s", "-l", "log2", "-o", options, "start")
    try:
        primary, standby = probe_of(url), probe_of(f"{url}/standby")
        lag = "database_replication_lag_seconds{d,second}"
        until(lambda: shown(primary).get(lag) == 0, "the replica")
        assert shown(standby)["database_replication_lag_seconds{d,self}"] == 0
        with (
            psycopg.connect(plain(url), autocommit=True) as writer,
            psycopg.connect(f"{plain(url)}/standby", autocommit=True) as replica,
        ):
            replica.execute("SELECT pg_wal_replay_pause()")
            writer.execute("CREATE TABLE t (n int)")
            until(lambda: shown(primary).get(lag, 0) > 0.2, "the lag")
            replica.execute("SELECT pg_wal_replay_resume()")
            until(lambda: shown(primary).get(lag) == 0, "the replica to catch up")
        server.stop()
        # It has replayed all it received, and receives nothing any more.
        until(lambda: shown(standby)["database_replication_lag_seconds{d,self}"] > 0.2, "the lag of a replica alone")
        server.start()
        until(lambda: shown(standby)["database_replication_lag_seconds{d,self}"] == 0, "the primary to be back")
    finally:
        server._run("pg_ctl", "-D", "standby", "-w", "-s", "-m", "immediate", "stop")
