"""What would stop a copy though its change is right, told by the plan."""

from tests.engine.mysql.planning.rig import ground
from tests.servers.server import Server


def test_a_table_with_the_name_of_a_helper_blocks_a_copy_unless_it_may_be_ours(server: Server) -> None:
    many = ", ".join(f"({n})" for n in range(21_000))
    table = "CREATE TABLE t (id INT PRIMARY KEY)"
    with ground(server, table, f"INSERT INTO t VALUES {many}", "ANALYZE TABLE t") as here:
        wanted = table.replace("INT", "BIGINT")
        assert here.plan(wanted).blocked == ()
        here.run("CREATE TABLE t__osc_o (a INT)")
        (blocked,) = here.plan(wanted).blocked
        assert "t is copied, and t__osc_o is in the way of that: drop or rename it" in blocked
        here.run("CREATE TABLE _schemabot_copy (a INT)")
        assert here.plan(wanted).blocked == ()
