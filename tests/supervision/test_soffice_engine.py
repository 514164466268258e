"""The soffice engine against a program that misbehaves on purpose."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.convert import EngineOptions, SofficeEngine
from service.errors import (
    ConfigError,
    ConversionFailed,
    ConversionTimeout,
    ConverterBusy,
    ConverterUnavailable,
    NoSpace,
    QueueTimeout,
    ServiceError,
)
from service.model import Deadline
from tests.serving import wait_until

FAKE = Path(__file__).with_name("fake_soffice.py")


def options(work_dir: Path, **changes: object) -> EngineOptions:
    values: dict[str, object] = {
        "fontconfig": lambda cache: "<fontconfig/>",
        "work_dir": work_dir,
        "soffice": FAKE,
        "slots": 2,
        "queue_limit": 2,
        **changes,
    }
    return EngineOptions(**values)  # type: ignore[arg-type]


@pytest.fixture(params=["auto", "off"], ids=["bubblewrap", "bare"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SofficeEngine]:
    made = SofficeEngine(options(tmp_path / "work", sandbox=request.param), b"good", lambda _: None)
    made.start()
    yield made
    made.close()


def convert(engine: SofficeEngine, document: str, seconds: float = 20.0) -> bytes:
    return engine.convert(document.encode(), Deadline.after(seconds))


def leftovers(tmp_path: Path) -> dict[int, str]:
    """Return pid and command line of processes of this test's fakes that still run."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if f"{tmp_path / 'work'}/" in line:
            found[int(entry.name)] = line
    return found


def assert_clean(tmp_path: Path) -> None:
    wait_until(lambda: not leftovers(tmp_path), 3, "all processes ended")
    assert list((tmp_path / "work").glob("instance-*/jobs/*")) == []


def test_good_document_is_converted_and_nothing_is_left(engine: SofficeEngine, tmp_path: Path) -> None:
    assert convert(engine, "good").startswith(b"%PDF-")
    assert_clean(tmp_path)


@pytest.mark.fault("C2")
def test_hang_is_killed_with_its_group_at_the_deadline(engine: SofficeEngine, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ConversionTimeout) as caught:
        convert(engine, "hang", 1.5)
    assert 1.0 < time.monotonic() - begun < 12
    assert caught.value.http_status == 504
    assert_clean(tmp_path)
    assert convert(engine, "good")


def test_grandchild_left_behind_by_a_success_is_ended(engine: SofficeEngine, tmp_path: Path) -> None:
    assert convert(engine, "orphan")
    assert_clean(tmp_path)


@pytest.mark.fault("C3")
@pytest.mark.parametrize("fault", ["silent", "empty", "half"])
def test_no_usable_pdf_is_502_though_rc_is_0(engine: SofficeEngine, tmp_path: Path, fault: str) -> None:
    with pytest.raises(ConversionFailed) as caught:
        convert(engine, fault)
    assert caught.value.http_status == 502
    assert "source file" not in str(caught.value)
    assert_clean(tmp_path)


@pytest.mark.fault("C4")
def test_crash_is_tried_once_more_then_502(engine: SofficeEngine, tmp_path: Path) -> None:
    with pytest.raises(ConversionFailed, match="意外退出"):
        convert(engine, "crash")
    assert_clean(tmp_path)


@pytest.mark.fault("C4")
def test_crash_of_the_first_try_only_costs_nobody_anything(tmp_path: Path) -> None:
    engine = SofficeEngine(options(tmp_path / "work", sandbox="off"), b"good", lambda _: None)
    engine.start()
    flag = tmp_path / "crashed"
    try:
        assert convert(engine, f"crashonce {flag}")
        assert flag.exists()
    finally:
        engine.close()


def test_bad_document_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SofficeEngine(options(tmp_path / "work", sandbox="off"), b"good", lambda _: None)
    engine.start()
    attempts = []
    original = SofficeEngine._attempt

    def counted(self: SofficeEngine, *arguments: object) -> bytes:
        attempts.append(1)
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SofficeEngine, "_attempt", counted)
    try:
        with pytest.raises(ConversionFailed):
            convert(engine, "silent")
    finally:
        engine.close()
    assert len(attempts) == 1


def test_full_disk_is_503_with_retry_after(engine: SofficeEngine) -> None:
    with pytest.raises(NoSpace) as caught:
        convert(engine, "full")
    assert (caught.value.http_status, caught.value.retry_after_s) == (503, 30)


@pytest.mark.fault("C11")
def test_secret_of_the_service_is_not_in_the_childs_environment(
    engine: SofficeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WENYIN_SECRET_CANARY", "do-not-leak")
    seen = convert(engine, "environment").decode()
    assert "do-not-leak" not in seen
    names = {line.split("=")[0] for line in seen.splitlines() if "=" in line and not line.startswith("-")}
    assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "FONTCONFIG_FILE", "XDG_CACHE_HOME", "PWD", "LC_CTYPE"}


def test_sandbox_keeps_the_child_from_writing_elsewhere_or_is_refused_by_name(tmp_path: Path) -> None:
    trial = SofficeEngine(options(tmp_path / "trial", sandbox="auto"), b"good", lambda _: None)
    trial.start()
    missing = trial.state().missing_layers
    trial.close()
    engine = SofficeEngine(options(tmp_path / "work", sandbox="require"), b"good", lambda _: None)
    if missing:
        # Some hosts (a chroot, a container) forbid namespaces: then a demand must stop the start.
        with pytest.raises(ConfigError, match="WENYIN_SANDBOX"):
            engine.start()
        return
    engine.start()
    target = tmp_path / "elsewhere"
    try:
        # In the sandbox /tmp is its own and /usr is read-only.
        assert b"written" in convert(engine, f"write {target}")
        assert b"refused" in convert(engine, "write /usr/share/wenyin-elsewhere")
    finally:
        engine.close()
    assert not target.exists()


def test_third_caller_waits_and_the_fifth_is_turned_away(tmp_path: Path) -> None:
    engine = SofficeEngine(options(tmp_path / "work", sandbox="off"), b"good", lambda _: None)
    engine.start()
    try:
        with ThreadPoolExecutor(6) as pool:
            running = [pool.submit(convert, engine, "slow 1.2") for _ in range(4)]
            until = time.monotonic() + 5
            while engine.state().queued < 2 and time.monotonic() < until:
                threading.Event().wait(0.01)
            begun = time.monotonic()
            with pytest.raises(ConverterBusy) as caught:
                convert(engine, "good")
            assert time.monotonic() - begun < 1
            assert caught.value.retry_after_s
            assert all(item.result() for item in running)
    finally:
        engine.close()
    assert engine.state().active == 0


def test_deadline_that_passes_in_the_queue_is_503_and_leaves_the_queue(tmp_path: Path) -> None:
    engine = SofficeEngine(options(tmp_path / "work", sandbox="off", slots=1), b"good", lambda _: None)
    engine.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(convert, engine, "slow 1.5")
            while engine.state().active == 0:
                threading.Event().wait(0.01)
            with pytest.raises(QueueTimeout):
                convert(engine, "good", 0.3)
            assert engine.state().queued == 0
            assert running.result()
        assert convert(engine, "good")
    finally:
        engine.close()


def test_missing_soffice_says_what_to_do(tmp_path: Path) -> None:
    engine = SofficeEngine(options(tmp_path / "work", soffice=tmp_path / "nothing"), b"good", lambda _: None)
    with pytest.raises(ConverterUnavailable, match=r"install-system\.sh"):
        engine.start()
    with pytest.raises(ConverterUnavailable):
        convert(engine, "good")


def test_death_of_the_service_takes_the_child_along(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from service.convert import EngineOptions, SofficeEngine\n"
        "from service.model import Deadline\n"
        f"e = SofficeEngine(EngineOptions(lambda cache: '<fontconfig/>', Path({str(tmp_path / 'work')!r}),"
        f" soffice=Path({str(FAKE)!r}), sandbox='off'), b'good', lambda _: None)\n"
        "e.start(); print('started', flush=True); e.convert(b'hang', Deadline.after(60))\n"
    )
    service = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    assert service.stdout.readline().strip() == "started"
    wait_until(lambda: leftovers(tmp_path), 10, "the child runs")
    os.kill(service.pid, signal.SIGKILL)
    service.wait()
    service.stdout.close()
    wait_until(
        lambda: not any("fake_soffice" in line for line in leftovers(tmp_path).values()),
        3,
        "the child died with the service",
    )
    # The dead instance's folder is swept by the next start.
    follower = SofficeEngine(options(tmp_path / "work", sandbox="off"), b"good", lambda _: None)
    follower.start()
    try:
        assert len(list((tmp_path / "work").glob("instance-*"))) == 1
    finally:
        follower.close()
    # Without a sandbox only the direct child is tied to the service's life.
    for pid in leftovers(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.fault("C5")
def test_each_document_has_its_own_profile_and_home(engine: SofficeEngine) -> None:
    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(lambda _: convert(engine, "environment").decode(), range(4)))
    homes = {line for text in seen for line in text.splitlines() if line.startswith("HOME=")}
    profiles = {line for text in seen for line in text.splitlines() if "UserInstallation" in line}
    assert (len(homes), len(profiles)) == (4, 4)


def test_every_failure_is_named(engine: SofficeEngine) -> None:
    for word in ("silent", "empty", "half", "crash", "full"):
        with pytest.raises(ServiceError) as caught:
            convert(engine, word)
        assert any("\u4e00" <= char <= "\u9fff" for char in str(caught.value))
